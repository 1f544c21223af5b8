"""What the pages for people have in common: their templates, their colours and their Content-Security-Policy.

Everything that comes from a submission is untrusted text. Jinja2 escapes it, Pygments escapes the code it colours, and
characters that could steer the eye or a terminal are written out. The policy forbids everything but the page's own
style and script, which it names by their hashes: markup that got through nevertheless could neither run nor load nor
restyle anything.
"""

import base64
import hashlib
import re
from functools import cache, lru_cache
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

TEMPLATES = Path(__file__).parent / "templates"
#: Control characters other than line breaks and tabs, marks that turn the direction of text, and lone surrogates.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def render(template: str, *, styles: tuple[str, ...] = (), script: str = "", **content: object) -> str:
    """A self-contained page. ``styles`` and ``script`` are files beside the templates."""
    style = "\n" + "\n".join([_text("base.css"), _code_style(), *map(_text, styles)])
    program = f"\n{_text(script)}" if script else ""
    rules = ["default-src 'none'", f"style-src '{_hash(style)}'", "base-uri 'none'", "form-action 'none'"]
    if program:
        rules.append(f"script-src '{_hash(program)}'")
    return (
        _environment()
        .get_template(template)
        .render(policy="; ".join(rules), style=Markup(style), script=Markup(program), **content)
    )


def part(template: str, **content: object) -> Markup:
    """A part of a page, escaped as all of it."""
    return Markup(_environment().get_template(template).render(content))


def visible(text: str) -> str:
    """``text`` with what cannot be seen written out: an escape character becomes <U+001B>."""
    if text.isascii() and text.isprintable():  # most of a page is: names, numbers, sentences
        return text
    return UNSEEN.sub(lambda found: f"<U+{ord(found[0]):04X}>", text.replace("\r\n", "\n"))


def format_points(value: float) -> str:
    """Points without needless zeros: 7.5, 10."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, finalize=_written_out
    )
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters["points"] = format_points
    environment.filters["python"] = _coloured
    environment.filters["address"] = quote
    return environment


def _written_out(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@lru_cache(maxsize=4096)  # stubs and the code of the text are the same for many
def _coloured(code: str) -> Markup:
    return Markup(highlight(visible(code), *_colours()))


@cache
def _colours() -> tuple[PythonLexer, HtmlFormatter]:
    """Made once: a formatter takes milliseconds to make."""
    return PythonLexer(), HtmlFormatter(cssclass="code")


@cache  # making it takes longer than all the rest of a page
def _code_style() -> str:
    light = HtmlFormatter(style="default").get_style_defs(".code")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".code")
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}"
