import subprocess
import sys

import pytest

_RAISE = """
import resource, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), min(int(sys.argv[2]), hard)))
from loadtests.limits.descriptors import limit, raise_soft_limit
print(raise_soft_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE), limit())
"""


@pytest.mark.parametrize(("soft", "hard"), [(64, 512), (512, 512)])
def test_soft_limit_is_raised_to_the_hard_one(soft: int, hard: int):
    argv = [sys.executable, "-c", _RAISE, str(soft), str(hard)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(hard)] * 4, done.stderr
