"""Groups of pods that the same actions acted on, and names for the groups."""

from collections.abc import Mapping

from reports.analysis.findings import StorageFindings
from reports.text.wording import listed


def pod_groups(storage: StorageFindings) -> Mapping[str, tuple[str, ...]]:
    """Group → pods that exactly the same actions acted on in the first round, in the order of the pods."""
    first = storage.blasts[0].pods if storage.blasts else ()
    done = {pod.pod: tuple(event.number for event in pod.done_to_it) for pod in first}
    by_history: dict[tuple[int, ...], list[str]] = {}
    for pod in storage.pods:
        by_history.setdefault(done.get(pod, ()), []).append(pod)
    return {_name(history, pods): tuple(pods) for history, pods in by_history.items()}


def _name(history: tuple[int, ...], pods: list[str]) -> str:
    named = listed(pods) if len(pods) <= 4 else f"{listed(pods[:3])} and {len(pods) - 3} more"
    return named if history else f"{named} (untouched)"
