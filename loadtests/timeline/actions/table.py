"""The table of actions. A new action is a class in a module of this folder and one line here."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Final, Union, cast

from pydantic import Field

from loadtests.timeline.actions.contract import TimelineAction

ACTIONS: Final[Mapping[str, str]] = {
    "migrate": "pod_calls:Migrate",
    "relock": "pod_calls:SwitchLocking",
    "hold": "database_sessions:HoldLocks",
    "maintain": "database_sessions:Maintain",
    "resize": "server_changes:Resize",
    "sweep": "pod_calls:Sweep",
    "recreate": "server_changes:Recreate",
    "kill": "outages:Kill",
    "pause": "outages:Pause",
    "cut": "outages:Cut",
    "run": "user_calls:RunCommand",
    "http": "user_calls:Http",
}
"""`do` → module of this folder, and class."""


def action_class(do: str) -> type[TimelineAction]:
    module, _, name = ACTIONS[do].partition(":")
    return cast(type[TimelineAction], getattr(import_module(f"loadtests.timeline.actions.{module}"), name))


if TYPE_CHECKING:
    Action = TimelineAction
else:
    Action = Annotated[Union[tuple(map(action_class, ACTIONS))], Field(discriminator="do")]  # noqa: UP007
