"""What the SDK of OpenSLO (github.com/OpenSLO/go-sdk, package `pkg/openslo/v1`) accepts, as rules of plain documents.

The SDK decodes with unknown fields refused, then validates. `problems_of(document)` lists what it would refuse; empty
for a document that it accepts. References between documents are not followed, as in the SDK.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import available_timezones

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_KEY = re.compile(r"[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
ANNOTATION_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*/)?"
    r"[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"
)
DURATION = re.compile(r"[0-9]+[mhdwMQY]")

Check = Callable[[Any], Iterator[str]]


class Rule(NamedTuple):
    """A field: how it is checked where it is given, and whether it has to be."""

    check: Check
    required: bool = False


def is_(kind: type | tuple[type, ...], valid: Callable[[Any], object] = lambda _: True) -> Check:
    def check(value: Any) -> Iterator[str]:
        wrong_kind = not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        if wrong_kind or not valid(value):
            yield f"{value!r}"

    return check


def matches(pattern: re.Pattern[str]) -> Check:
    return is_(str, pattern.fullmatch)


def at_most(length: int) -> Check:
    return is_(str, lambda value: len(value) <= length)


def one_of(*values: str) -> Check:
    return is_(str, lambda value: value in values)


def number(valid: Callable[[float], bool] = lambda _: True) -> Check:
    return is_((int, float), valid)


def each(check: Check, least: int = 0, most: int = 1_000_000) -> Check:
    def check_all(value: Any) -> Iterator[str]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            yield f"not {least} to {most} items"
        else:
            for item in value:
                yield from check(item)

    return check_all


def mapping(rules: Mapping[str, Rule], *more: Check) -> Check:
    def check(value: Any) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"not a mapping: {value!r}"
            return
        yield from (f"unknown field {key!r}" for key in value.keys() - rules.keys())
        for key, rule in rules.items():
            if value.get(key) is not None:
                yield from (f"{key}: {problem}" for problem in rule.check(value[key]))
            elif rule.required:
                yield f"{key}: required"
        for extra in more:
            yield from extra(value)

    return check


def exclusive(*keys: str, required: bool = True) -> Check:
    def check(value: Any) -> Iterator[str]:
        given = [key for key in keys if value.get(key) is not None]
        if len(given) > 1 or (required and not given):
            yield f"one of {keys}, got {given}"

    return check


def keys(pattern: re.Pattern[str], values: type | tuple[type, ...]) -> Check:
    def check(value: Any) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"not a mapping: {value!r}"
            return
        yield from (f"key {key!r}" for key in value if not pattern.fullmatch(str(key)))
        yield from (f"value {one!r}" for one in value.values() if not isinstance(one, values))

    return check


def _date_time(value: str) -> bool:
    try:
        return bool(datetime.strptime(value, "%Y-%m-%d %H:%M:%S"))
    except ValueError:
        return False


anything = is_(object)
text = is_(str)
description = Rule(at_most(1050))
name = Rule(matches(DNS_LABEL), required=True)
operator = one_of("gt", "lt", "gte", "lte")
metadata = Rule(
    mapping(
        {
            "name": name,
            "displayName": Rule(at_most(63)),
            "labels": Rule(keys(LABEL_KEY, (str, list))),
            "annotations": Rule(keys(ANNOTATION_KEY, str)),
        }
    ),
    required=True,
)


def inline(kind: str, ref: str, spec: Check) -> Check:
    """A part inside another document, or its name."""
    whole = mapping({"kind": Rule(one_of(kind), True), "metadata": metadata, "spec": Rule(spec, True)})
    named = mapping({ref: name})

    def check(value: Any) -> Iterator[str]:
        yield from (named if isinstance(value, dict) and ref in value else whole)(value)

    return check


metric = mapping(
    {
        "metricSource": Rule(
            mapping(
                {
                    "metricSourceRef": Rule(matches(DNS_LABEL)),
                    "type": Rule(text),
                    "spec": Rule(is_(dict, bool), required=True),
                }
            ),
            required=True,
        )
    }
)


def _ratio(value: Any) -> Iterator[str]:
    if value.get("total") is not None:
        yield from exclusive("good", "bad")(value)
    if value.get("raw") is not None and value.get("rawType") not in ("success", "failure"):
        yield "rawType"


ratio = mapping(
    {
        "counter": Rule(is_(bool)),
        **{part: Rule(metric) for part in ("good", "bad", "total", "raw")},
        "rawType": Rule(text),
    },
    exclusive("total", "raw"),
    exclusive("raw", "good", "bad", required=False),
    _ratio,
)
sli = mapping(
    {"description": description, "thresholdMetric": Rule(metric), "ratioMetric": Rule(ratio)},
    exclusive("thresholdMetric", "ratioMetric"),
)


def _window(value: Any) -> Iterator[str]:
    if bool(value.get("isRolling")) == (value.get("calendar") is not None):
        yield "isRolling, or calendar"


window = mapping(
    {
        "duration": Rule(matches(DURATION), required=True),
        "isRolling": Rule(is_(bool)),
        "calendar": Rule(
            mapping(
                {
                    "startTime": Rule(is_(str, _date_time), required=True),
                    "timeZone": Rule(is_(str, lambda zone: zone in available_timezones()), required=True),
                }
            )
        ),
    },
    _window,
)
condition = mapping(
    {
        "severity": Rule(is_(str, bool), required=True),
        "description": description,
        "condition": Rule(
            mapping(
                {
                    "kind": Rule(one_of("burnrate"), required=True),
                    "op": Rule(operator, required=True),
                    "threshold": Rule(number(), required=True),
                    "lookbackWindow": Rule(matches(DURATION), required=True),
                    "alertAfter": Rule(matches(DURATION)),
                }
            ),
            required=True,
        ),
    }
)
target = mapping({"target": Rule(is_(str, bool), required=True), "description": description})
policy = mapping(
    {
        "description": description,
        **{when: Rule(is_(bool)) for when in ("alertWhenNoData", "alertWhenBreaching", "alertWhenResolved")},
        "conditions": Rule(each(inline("AlertCondition", "conditionRef", condition), 1, 1), required=True),
        "notificationTargets": Rule(each(inline("AlertNotificationTarget", "targetRef", target), 1), required=True),
    }
)
indicator = mapping({"metadata": metadata, "spec": Rule(sli, required=True)})
objective = mapping(
    {
        "displayName": Rule(text),
        "op": Rule(operator),
        "value": Rule(number()),
        "target": Rule(number(lambda share: 0 <= share < 1)),
        "targetPercent": Rule(number(lambda percent: 0 <= percent < 100)),
        "timeSliceTarget": Rule(number(lambda share: 0 < share <= 1)),
        "timeSliceWindow": Rule(matches(DURATION)),
        "indicator": Rule(indicator),
        "indicatorRef": Rule(matches(DNS_LABEL)),
        "compositeWeight": Rule(number(lambda weight: weight > 0)),
    },
    exclusive("target", "targetPercent"),
)


def _indicators(value: Any) -> Iterator[str]:
    """On the level of the SLO, or on that of its objectives."""
    of_objectives = [
        o for o in value.get("objectives") or () if isinstance(o, dict) and {"indicator", "indicatorRef"} & o.keys()
    ]
    if not of_objectives:
        yield from exclusive("indicator", "indicatorRef")(value)
    elif {"indicator", "indicatorRef"} & value.keys():
        yield "indicators on both levels"


def _limits(value: Any) -> Iterator[str]:
    spec = (value.get("indicator") or {}).get("spec") or {}
    if "thresholdMetric" in spec:
        yield from ("op and value" for o in value.get("objectives") or () if not {"op", "value"} <= o.keys())


def _slices(value: Any) -> Iterator[str]:
    needed = {"Timeslices": {"timeSliceTarget", "timeSliceWindow"}, "RatioTimeslices": {"timeSliceWindow"}}
    for one in value.get("objectives") or ():
        yield from sorted(needed.get(value.get("budgetingMethod"), set()) - one.keys())


slo = mapping(
    {
        "description": description,
        "service": Rule(is_(str, bool), required=True),
        "indicator": Rule(indicator),
        "indicatorRef": Rule(matches(DNS_LABEL)),
        "budgetingMethod": Rule(one_of("Occurrences", "Timeslices", "RatioTimeslices"), required=True),
        "timeWindow": Rule(each(window, 1, 1), required=True),
        "objectives": Rule(each(objective), required=True),
        "alertPolicies": Rule(each(inline("AlertPolicy", "alertPolicyRef", policy))),
    },
    _indicators,
    _limits,
    _slices,
)
SPECS: Mapping[str, Check] = {
    "SLO": slo,
    "SLI": sli,
    "Service": mapping({"description": description}),
    "DataSource": mapping(
        {
            "description": description,
            "type": Rule(is_(str, bool), required=True),
            "connectionDetails": Rule(anything, required=True),
        }
    ),
    "AlertPolicy": policy,
    "AlertCondition": condition,
    "AlertNotificationTarget": target,
}


def problems_of(document: Any) -> list[str]:
    kind = document.get("kind")
    whole = {
        "apiVersion": Rule(one_of("openslo/v1"), required=True),
        "kind": Rule(one_of(*SPECS), required=True),
        "metadata": metadata,
        "spec": Rule(SPECS.get(kind, anything), required=True),
    }
    return list(mapping(whole)(document))
