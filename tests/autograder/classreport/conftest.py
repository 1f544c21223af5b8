"""Made-up records of a class, and pages as a parser sees them."""

from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from autograder.results import CaseResult, ItemResult, Record

#: What a submission may try: markup and attributes that run, the end of every element that text stands in, marks that
#: turn the direction of text, control sequences of a terminal, a link that runs.
HOSTILE = (
    "</pre></style></title></script></svg></textarea><script>window.pwned = 1</script>"
    '<img src=x onerror="window.pwned = 1"><svg onload="window.pwned = 1"><a href="javascript:window.pwned = 1">x</a>'
    '\'" onmouseover="window.pwned = 1" {{ 7 * 7 }} {% raw %} &lt;b&gt; '
    "\x1b]0;title\x07\x1b[31m \u202egnp.exe \u2066 \x00"
)
VOID = {"meta", "img", "input", "br", "hr", "link", "rect", "line"}


class Page(HTMLParser):
    """Tags with the names of their attributes in order, and the text inside each kind of tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data):
        for tag in set(self._open):
            self.text.setdefault(tag, []).append(data)

    @property
    def policy(self) -> dict[str, str]:
        """The Content-Security-Policy: directive -> its sources."""
        at = self.attributes.index(("meta", "http-equiv", "Content-Security-Policy"))
        rules = self.attributes[at + 1][2].split("; ")
        return dict(rule.split(" ", 1) for rule in rules)

    @property
    def words(self) -> str:
        """The text that is shown."""
        return " ".join(" ".join(self.text.get("body", [])).split())


@pytest.fixture(scope="session")
def hostile() -> str:
    return HOSTILE


@pytest.fixture(scope="session")
def parse() -> Callable[[str], Page]:
    return Page


@pytest.fixture(scope="session")
def made() -> SimpleNamespace:
    """``made.case("failed")``, ``made.item("quantize", case, ...)`` and ``made.record("ada", item, ...)``."""

    def case(outcome: str = "passed", name: str = "ties", *, visible: bool = True, **fields) -> CaseResult:
        return CaseResult(name, "rounds half to even", visible, 1.0, outcome, **fields)

    def item(name: str, *cases: CaseResult, points: float = 10.0, **fields) -> ItemResult:
        score = points * sum(one.outcome == "passed" for one in cases) / max(1, len(cases))
        return ItemResult(name, "function", score, points, cases, **fields)

    def record(student: str, *items: ItemResult, **fields) -> Record:
        about = {"graded": True, "problem": "", "file": "lab.ipynb", **fields}
        return Record(
            student=student,
            lab="lab2_linear",
            score=sum(one.score for one in items),
            max_score=sum(one.max_score for one in items),
            written_max_score=4.0,
            submission_hash="0" * 64,
            lab_hash="1" * 64,
            draw="2" * 16,
            functions={one.name: one for one in items},
            **about,
        )

    return SimpleNamespace(case=case, item=item, record=record)


@pytest.fixture(scope="module")
def browser(start_chromium) -> Iterator:
    """While it runs nothing else has an event loop."""
    with start_chromium() as running:
        yield running
