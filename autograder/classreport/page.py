"""The class report: one page for assistants and instructors, complete without its script, which only sorts tables."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from autograder.classreport.figures import cases, causes, mended, mistakes, questions
from autograder.classreport.plots import histogram
from autograder.classreport.similar import near_identical
from autograder.classreport.trouble import SLOW, SLOW_S, troubles
from autograder.results import Record, write_atomically
from autograder.webpage import render

MAX_SHOWN = 20  # groups of which code is shown side by side


def write_summary(
    records: Sequence[Record],
    path: Path,
    *,
    lab_title: str,
    links: Mapping[str, str],
    given: Sequence[str] = (),
    seconds: Mapping[str, float] | None = None,
) -> None:
    """One HTML page for the staff.

    ``links`` leads from a student to a page, relative to ``path``; ``given`` is code that anybody may have, which says
    nothing when two have it; ``seconds`` is the time that grading a student took, where it is known.
    """
    graded = [record for record in records if record.graded]
    seconds = {record.student: seconds[record.student] for record in graded if record.student in (seconds or {})}
    scores = {record.student: record.score for record in graded}
    median = statistics.median(scores.values()) if scores else 0.0
    top = max((record.max_score for record in graded), default=0.0)
    all_cases = cases(graded)
    tried = [case for case in all_cases if case.tried]
    page = render(
        "report.html.j2",
        styles=("report.css",),
        script="sort.js",
        lab_title=lab_title,
        links=links,
        records=records,
        graded=graded,
        median=median,
        mean=statistics.fmean(scores.values()) if scores else 0.0,
        top=top,
        full_marks=sum(record.score == record.max_score for record in graded),
        zeros=sum(record.score == 0 for record in graded),
        attention=[record for record in records if record.needs_attention],
        points=histogram(scores, top=top, unit="points", middle=median) if scores else None,
        questions=questions(graded),
        mistakes=mistakes(graded),
        cases=all_cases,
        nobody=[case for case in tried if not case.passed],
        everybody=[case for case in tried if case.passed == case.tried],
        troubles=troubles(graded, seconds),
        seconds=seconds,
        slow=f"{SLOW:g}",
        slow_s=f"{SLOW_S:g}",
        usual=statistics.median(seconds.values()) if seconds else 0.0,
        times=histogram(seconds, top=max(seconds.values()), unit="s") if len(seconds) > 1 else None,
        mended=mended(records),
        alike=near_identical(graded, given),
        max_shown=MAX_SHOWN,
        codes={record.student: {item.name: item.source for item in record.functions.values()} for record in graded},
        causes=causes,
    )
    write_atomically(path, page)
