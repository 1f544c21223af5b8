"""Pages as a parser sees them."""

from collections.abc import Callable
from html.parser import HTMLParser

import pytest


class Tags(HTMLParser):
    """Elements that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def left_open() -> Callable[[str], list[str]]:
    """Which tags a page leaves open; fails where one is closed that is not the last."""

    def read(page: str) -> list[str]:
        tags = Tags()
        tags.feed(page)
        return tags.open

    return read
