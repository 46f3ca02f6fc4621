"""The table of actions. A new action is a class in a module of this folder and one line here."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, cast, get_args

from pydantic import Field

from loadtests.parts import IncompleteError, load
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
    """Raises IncompleteError for a class that is not there, or that lacks what an action must have."""
    place = f"loadtests.timeline.actions.{ACTIONS[do]}"
    try:
        found = load(place)
    except IncompleteError as why:
        problem = f"action {do} lacks its class, {place} ({why})"
        raise IncompleteError(f"{problem}: correct its line in loadtests/timeline/actions/table.py") from None
    if lacking := _lacking(do, found):
        raise IncompleteError(f"action {do} lacks {lacking}: complete {place}")
    return cast(type[TimelineAction], found)


def _lacking(do: str, found: Any) -> str:
    """The first thing that the class of an action lacks, in words; empty where it is complete."""
    if not (isinstance(found, type) and issubclass(found, TimelineAction)):
        return "the base class TimelineAction"
    key = found.model_fields.get("do")
    if key is None or get_args(key.annotation) != (do,):
        return f"its name, a field do: Literal[{do!r}]"
    unchanged = (name for name in ("words", "perform") if getattr(found, name) is getattr(TimelineAction, name))
    return next((f"its {name}" for name in unchanged), "")


if TYPE_CHECKING:
    Action = TimelineAction
else:
    Action = Annotated[Union[tuple(map(action_class, ACTIONS))], Field(discriminator="do")]  # noqa: UP007
