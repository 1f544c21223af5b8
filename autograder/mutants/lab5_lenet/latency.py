"""Implementations of ``median_latency_ms``."""

from autograder.bank import Bank, right, wrong

MEDIAN = "1000 * statistics.median(seconds[warmup:])"

LATENCY = Bank(
    "median_latency_ms",
    misconceptions=(
        wrong("mean", "Your function takes the mean, which a slow call moves; take the median.", (".median", ".mean")),
        wrong(
            "least",
            "Your function takes the fastest call; take the median.",
            ("statistics.median", "min"),
        ),
        wrong(
            "warm-up counted",
            "Your function counts the warm-up, too; leave out the first `warmup` timings.",
            ("seconds[warmup:]", "seconds"),
        ),
        wrong(
            "last ones left out",
            "Your function leaves out timings at the end; the warm-up is at the beginning.",
            ("seconds[warmup:]", "seconds[: len(seconds) - warmup]"),
        ),
        wrong(
            "warm-up only",
            "Your function takes the median of the warm-up; that is what does not count.",
            ("seconds[warmup:]", "(seconds[:warmup] or [0.0])"),
        ),
        wrong(
            "lower middle",
            "Your function takes the lower of two middle timings, as torch.median does; take their mean.",
            (MEDIAN, "1000 * torch.tensor(seconds[warmup:], dtype=torch.float64).median().item()"),
        ),
        wrong(
            "upper middle",
            "Your function takes the upper of two middle timings; take their mean.",
            (MEDIAN, "1000 * sorted(seconds[warmup:])[(len(seconds) - warmup) // 2]"),
        ),
        wrong(
            "middle of the unsorted",
            "Your function takes the timing in the middle of the list; sort the list first.",
            (MEDIAN, "1000 * seconds[warmup + (len(seconds) - warmup) // 2]"),
        ),
        wrong("in seconds", "Your latency is in seconds; one second is 1000 ms.", ("1000 * ", "")),
        wrong("in microseconds", "Your latency is in microseconds; one second is 1000 ms.", ("1000 *", "1e6 *")),
        wrong(
            "divided by 1000",
            "Your function divides by 1000; a second has 1000 ms, so the number becomes larger.",
            (MEDIAN, "statistics.median(seconds[warmup:]) / 1000"),
        ),
        wrong(
            "slowest left out",
            "Your function leaves out the slowest calls; what does not count are the first, fast or slow.",
            (MEDIAN, "1000 * statistics.median(sorted(seconds)[: len(seconds) - warmup])"),
        ),
        wrong(
            "fastest left out",
            "Your function sorts before it leaves out the warm-up, and so leaves out the fastest calls; slice first.",
            (MEDIAN, "1000 * statistics.median(sorted(seconds)[warmup:])"),
        ),
        wrong(
            "sorts the given list",
            "Your function changes the list that it is given; sort a copy, with sorted().",
            (MEDIAN, MEDIAN + " + 0 * len(seconds.sort() or ())"),
        ),
        wrong(
            "deletes from the given list",
            "Your function changes the list it is given; it must stay as it is, so slice it.",
            """
            def median_latency_ms(seconds, warmup):
                del seconds[:warmup]
                return 1000 * statistics.median(seconds)
            """,
        ),
        wrong(
            "one left out too many",
            "Your function leaves out one timing too many; Python counts from 0, so the first that counts is "
            "seconds[warmup].",
            ("seconds[warmup:]", "(seconds[warmup + 1 :] or [0.0])"),
        ),
    ),
    alternatives=(
        right(
            "with numpy",
            """
            import numpy as np

            def median_latency_ms(seconds, warmup):
                return float(np.median(np.asarray(seconds)[warmup:]) * 1e3)
            """,
        ),
        right(
            "by hand",
            """
            def median_latency_ms(seconds, warmup):
                ordered = sorted(seconds[warmup:])
                half, odd = divmod(len(ordered), 2)
                if odd:
                    return ordered[half] * 1000.0
                return (ordered[half - 1] + ordered[half]) / 2 * 1000.0
            """,
        ),
        right(
            "with torch's quantile",
            """
            def median_latency_ms(seconds, warmup):
                counted = torch.tensor(seconds, dtype=torch.float64)[warmup:]
                return (1000 * counted).quantile(0.5)
            """,
        ),
        right(
            "in milliseconds first",
            """
            def median_latency_ms(seconds: list[float], warmup: int) -> float:
                milliseconds = [1e3 * one for number, one in enumerate(seconds) if number >= warmup]
                return statistics.median(milliseconds)
            """,
        ),
        right(
            "mean of the two medians",
            """
            def median_latency_ms(seconds, warmup=0):
                rest = list(seconds)
                del rest[:warmup]
                return 500 * (statistics.median_low(rest) + statistics.median_high(rest))
            """,
        ),
    ),
)
