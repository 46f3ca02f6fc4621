"""What becomes of a test that lacks something of the machine."""

import os

import pytest


def unavailable(why: str) -> None:
    """A missing server or browser: skipped at home, failed in CI, where a skip would go unseen."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)
