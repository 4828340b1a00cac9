"""The formats of an answer: what each is called, how text is made safe in it, and what stands in it where nothing else does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticKnownError

from app.content.escaping import ascii_html, neutral_html, neutral_text
from app.content.templates.defaults import DEFAULTS, HEADINGS

_PIXEL = b'<img src="%b" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0;" />'


def utf8(text: str) -> bytes:
    """Encode text as UTF-8, whatever halves of characters it holds."""
    return text.encode("utf-8", "replace")


@dataclass(frozen=True, eq=False)
class Format:
    """A format of answers, and all that is known of it; one entry of `FORMATS` is enough to serve it.

    `media` is the media type. `escape` makes whatever a template puts out safe; without it catalogue text goes through `neutralise`
    before a template sees it. `encode` makes bytes of what was rendered. `frame` and `card` are shown where no template of the shop has
    a part of this format; a format without them is not made by templates. `guard` follows a body that happens to be JSON, which an
    e-mail platform would parse; `empty` is the body where nothing is to be shown; `pixel` holds the address of the open pixel as
    `%b`, and is empty in a format that shows no pictures. `heading` holds the heading of a part as `%s`, `between` stands between parts.
    """

    name: str
    media: str
    encode: Callable[[str], bytes] = utf8
    escape: Callable[[str], str] | None = None
    neutralise: Callable[[str], str] = neutral_text
    frame: str = ""
    card: str = ""
    guard: bytes = b""
    empty: bytes = b""
    pixel: bytes = b""
    heading: str = ""
    between: bytes = b""

    @cached_property
    def content_type(self) -> bytes:
        """The value of the header."""
        return f"{self.media}; charset=utf-8".encode()


JSON = Format("json", "application/json")
HTML = Format(
    "html", "text/html", encode=ascii_html, escape=neutral_html, **DEFAULTS["grid"]["html"], guard=b"<!-- -->", pixel=_PIXEL,
    heading=HEADINGS["html"],
)  # fmt: skip
TEXT = Format("text", "text/plain", **DEFAULTS["grid"]["text"], guard=b" .", heading=HEADINGS["text"], between=b"\n")

FORMATS: dict[str, Format] = {one.name: one for one in (JSON, HTML, TEXT)}

# As a sentence, for what describes parameters.
NAMES = f"{', '.join([*FORMATS][:-1])} or {[*FORMATS][-1]}."


def templated() -> Iterator[Format]:
    """Give the formats that templates make."""
    return (one for one in FORMATS.values() if one.frame)


def _templated(name: str) -> str:
    if name not in FORMATS or not FORMATS[name].frame:
        raise PydanticKnownError("extra_forbidden")
    return name


# The key of a part that a document may have beside those that it must have.
PartName = Annotated[str, AfterValidator(_templated)]
