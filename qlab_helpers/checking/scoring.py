"""The one formula that turns passed cases into points."""

from collections.abc import Iterable


def score(points: float, cases: Iterable[tuple[float, bool]]) -> float:
    """``points`` times the passed share of the weights, to 4 decimals; ``cases`` gives (weight, passed)."""
    cases = list(cases)
    total = sum(weight for weight, _ in cases)
    if total <= 0:
        return 0.0
    share = sum(weight for weight, passed in cases if passed) / total
    return min(points, round(points * share, 4))  # nbgrader refuses a score above the points
