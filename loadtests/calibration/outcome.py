"""All figures in one word, and in one sentence. Pure."""

from collections.abc import Sequence

from loadtests.calibration.figures import Figure, Verdict


def verdict(figures: Sequence[Figure]) -> Verdict:
    """The worst of them; of none nothing is known."""
    verdicts = {figure.verdict for figure in figures}
    return "fail" if "fail" in verdicts else "unknown" if "unknown" in verdicts or not verdicts else "pass"


def sentence(figures: Sequence[Figure]) -> str:
    """What lock waits of this run can be taken for."""
    bad = [figure for figure in figures if figure.verdict != "pass"]
    if not bad:
        names = " and ".join(dict.fromkeys(figure.database for figure in figures))
        return (
            f"calibration: lock waits of {names} are known as well as they must be" if names else "nothing to calibrate"
        )
    first = next((figure for figure in bad if figure.verdict == "fail"), bad[0])
    return f"calibration: lock waits of {first.database} are no evidence: {_told(first)}"


def _told(figure: Figure) -> str:
    """In words; of one without a value there is a reason only."""
    if figure.value is None:
        return figure.reason
    value = f"{figure.value:.1f} ms" if figure.unit == "ms" else f"{figure.value:.2%}"
    return f"{figure.figure} ({figure.source}) {value}: {figure.verdict}, {figure.reason}"
