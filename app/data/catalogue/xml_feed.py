"""Google's product feed in XML (RSS and Atom) as documents; names of other namespaces stand apart."""

from collections.abc import Iterator
from typing import IO, Any
from xml.parsers import expat

from app.data.imports.files import FileFault

_ROOTS = frozenset({"item", "entry"})
_READ_BYTES = 65_536
_DEEPEST = 30
_LARGEST_ITEM = 4_194_304
# of one tag, comment or instruction; expat keeps it whole
_LARGEST_PIECE = 8_388_608
_GOOGLE = "http://base.google.com/ns/1.0"
_FEED = frozenset({"", "http://www.w3.org/2005/Atom", "http://purl.org/rss/1.0/", "http://purl.org/atom/ns#"})
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif")
# of one name in two namespaces Google's counts, whichever came first; a link that only tells a picture gives way to any
_GOOGLES, _PLAIN, _HINT = 2, 1, 0
Found = tuple[int, dict[str, Any], str | None]


class XmlFeed:
    """Collects the items of a feed as the parser meets them. A document type is refused before it can declare entities."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._done: list[Found] = []
        # of each open element of an item: key, rank, values with their ranks, texts
        self._open: list[tuple[str, int, dict[str, tuple[int, Any]], list[str]]] = []
        self._line = 0
        self._size = 0
        self._fault: str | None = None
        self._met: list[str] = []
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.namespace_prefixes = True
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def items(self, stream: IO[bytes]) -> Iterator[Found]:
        """Parse the stream and give (line, document, fault) of its items; raises FileFault at the first place that is not well-formed."""
        fed, begun, found = 0, False, 0
        while True:
            part = stream.read(_READ_BYTES)
            if not begun:
                # an XML declaration must stand first; what prints a newline before it is common
                more, part = bool(part), part.lstrip(b" \t\r\n") if not part.startswith((b"\xff", b"\xfe", b"\x00")) else part
                if more and not part:
                    continue
                begun = True
            fed += len(part)
            try:
                self._parser.Parse(part, not part)
            except (expat.ExpatError, ValueError, LookupError) as error:
                yield from self._take()
                raise FileFault(f"{self._name}: not well-formed XML near line {self._parser.CurrentLineNumber} ({error})") from None
            if fed - self._parser.CurrentByteIndex > _LARGEST_PIECE:
                raise FileFault(f"{self._name}: a tag or comment near line {self._parser.CurrentLineNumber} is longer than 8 MB")
            done = self._take()
            found += len(done)
            yield from done
            if not part:
                break
        if not found:
            met = ", ".join(f"<{name}>" for name in self._met) or "nothing"
            raise FileFault(f"{self._name}: no items found: an item is an <item> (RSS) or an <entry> (Atom); the file has {met}")

    def _take(self) -> list[Found]:
        done, self._done = self._done, []
        return done

    def _doctype(self, *_: Any) -> None:
        raise FileFault(f"{self._name}: a feed must not have a document type (<!DOCTYPE>)")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        key, rank = _key(name)
        if not self._open:
            if len(self._met) < 4 and key not in self._met:
                self._met.append(key)
            if key not in _ROOTS:
                return
            self._line, self._size, self._fault = self._parser.CurrentLineNumber, 0, None
        elif len(self._open) > _DEEPEST:
            raise FileFault(f"{self._name}: nested deeper than {_DEEPEST} levels near line {self._parser.CurrentLineNumber}")
        values: dict[str, tuple[int, Any]] = {}
        if key == "link" and "href" in attributes:
            values["href"] = (_PLAIN, attributes["href"])
            key, rank = _linked(attributes, rank)
        self._open.append((key, rank, values, []))

    def _text(self, text: str) -> None:
        if not self._open:
            return
        self._size += len(text)
        if self._size > _LARGEST_ITEM:
            self._fault = f"the item is longer than {_LARGEST_ITEM} characters"
        else:
            self._open[-1][3].append(text)

    def _end(self, name: str) -> None:
        if not self._open:
            return
        key, rank, ranked, texts = self._open.pop()
        values = {name: value for name, (_, value) in ranked.items()}
        if not self._open:
            self._done.append((self._line, values, self._fault))
            return
        text = "".join(texts).strip()
        value: Any = text or values.get("href", "") if set(values) <= {"href"} else values
        if value == "":
            return
        parent = self._open[-1][2]
        before = parent.get(key)
        if before is None or before[0] < rank:
            parent[key] = (rank, value)
        elif before[0] == rank:
            parent[key] = (rank, [*before[1], value] if isinstance(before[1], list) else [before[1], value])


def _key(name: str) -> tuple[str, int]:
    """Return the field of an element and its rank; one of a foreign namespace keeps its prefix (`media:title`)."""
    parts = name.split(" ")
    space, local, prefix = (parts[0], parts[1], parts[2] if len(parts) > 2 else "") if len(parts) > 1 else ("", name, "")
    if space.rstrip("/").replace("https:", "http:").lower() == _GOOGLE or prefix == "g":
        return local, _GOOGLES
    if space in _FEED or not prefix:
        return local, _PLAIN
    return f"{prefix}:{local}", _PLAIN


def _linked(attributes: dict[str, str], rank: int) -> tuple[str, int]:
    """Return the field of an Atom link: only an alternate one leads to the item's page."""
    relation = attributes.get("rel", "alternate")
    if relation == "alternate":
        return "link", rank
    picture = attributes.get("type", "").startswith("image/") or attributes["href"].lower().partition("?")[0].endswith(_PICTURES)
    return ("image_link", _HINT) if relation == "enclosure" and picture else (f"link:{relation}", rank)
