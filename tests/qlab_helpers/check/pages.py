"""The report of a check as a parser sees it."""

from html.parser import HTMLParser

from qlab_helpers.checking.check import CheckResult


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")

    def handle_data(self, data):
        self.text += data


def page(result: CheckResult) -> Page:
    return Page(result._repr_html_())
