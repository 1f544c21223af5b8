"""What a page of HTML would do in the browser of whoever opens it."""

from html.parser import HTMLParser

ACTIVE = ("script", "style", "iframe", "object", "embed", "form", "base", "meta", "svg", "math", "link")
SCHEMES = ("javascript", "data", "vbscript")


class Elements(HTMLParser):
    """All elements of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    @property
    def active(self) -> set[str]:
        """Those that run, send or load something unasked, run something on a click, or lie over others."""
        return {repr(one) for one in self.found if one[0] in ACTIVE or any(map(_acts, one[1].items()))}


def _acts(attribute: tuple[str, str | None]) -> bool:
    name, value = attribute[0], "".join((attribute[1] or "").split()).lower()
    leads = name in ("href", "src") and value.partition(":")[0] in SCHEMES
    return name.startswith("on") or leads or (name == "style" and "position" in value)
