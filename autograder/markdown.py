"""Text that students write, as staff may open it: in nbgrader's formgrader their HTML would run as the assistant.

What is plainly harmless stays: text, formulas, tags that only set text, pictures, links to pages. Of everything else a
space takes the meaning, so it is read as it was typed.
"""

import re
from collections.abc import Collection

TAGS = (
    "a|abbr|b|blockquote|br|caption|center|code|dd|del|details|div|dl|dt|em|figcaption|figure|h[1-6]|hr|i|img|ins|kbd|li"
    "|mark|ol|p|pre|q|s|small|span|strike|strong|sub|summary|sup|table|tbody|td|tfoot|th|thead|tr|tt|u|ul|var"
)
ATTRIBUTES = "align|alt|colspan|height|open|rowspan|start|title|valign|width"
PAGE = r"(?:https?://|attachment:|mailto:|\#)[^\s\"'<>]*"
PLACE = r"[\w./%-]*"  # in the same folder: no scheme
TAG = re.compile(
    rf"""</?(?:{TAGS})
    (?:\s+(?:(?:{ATTRIBUTES})(?:\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[\w%.-]+))?
          |(?:href|src)\s*=\s*(?:"(?:{PAGE}|{PLACE})"|'(?:{PAGE}|{PLACE})')))*
    \s*/?>
    |<https?://[^\s<>]*>|<[\w.+-]+@[\w.-]+>""",
    re.VERBOSE | re.IGNORECASE,
)
OPENING = re.compile(r"<(?=[A-Za-z/!?])")
#: Where a link or the definition of one begins, with what it leads to.
LINK = re.compile(r"\](?=[(:]\s*(<[^<>]*>?|[^\s()\[\]]*))")
TARGET = re.compile(rf"{PAGE}|<{PAGE}>|{PLACE}", re.IGNORECASE)
PICTURE = re.compile(r"attachment:([^\s\"'<>()]*)")


def harmless(text: str) -> str:
    """The text with nothing in it that a browser would run, send or load unasked, but pictures."""
    text = OPENING.sub(lambda found: "<" if TAG.match(text, found.start()) else "< ", text)
    return LINK.sub(lambda found: "]" if TARGET.fullmatch(found[1]) else "] ", text)


def without_lost(text: str, pictures: Collection[str]) -> str:
    """The text without those of its ``attachment:`` pictures that are not among these: nbconvert stops at one."""
    return PICTURE.sub(lambda found: found[0] if found[1] in pictures else f"missing:{found[1]}", text)
