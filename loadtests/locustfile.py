"""What Locust loads: `locust -f loadtests/locustfile.py --processes N`, headless or with its web UI."""

from loadtests.users import locusthooks
from loadtests.users.agent import Agent
from loadtests.users.shape import StagesShape

__all__ = ["Agent", "StagesShape"]

locusthooks.install()
