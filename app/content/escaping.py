"""Makes catalogue text harmless where it is shown: HTML, JSON and text read by e-mail platforms, and addresses.

The catalogue keeps what was sent; what leaves is neutralised here. An e-mail platform may run its own template language
over our answer, so its tags (`%%`, `{{`, `{%`, `*|`, `[[`) never leave in one piece.
"""

import re
from urllib.parse import quote, urlsplit

_FIRST = re.compile(r"[%{}*|\[\]$](?=[%{}*|\[\]])")
_SUSPECT = re.compile(r"[%{}*|\[\]$]{2}")
_TAG_ENTITIES = {ord(c): f"&#{ord(c)};" for c in "%{}*|[]$"}
_ENTITIES = _TAG_ENTITIES | {ord(c): f"&#{ord(c)};" for c in "'\""} | {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
# control characters, line separators that end a JavaScript string, and the marks that stand for holes in prepared cards
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u2028\u2029\ue000-\ue003]")


def neutral_text(text: str) -> str:
    """Return text for JSON or plain text: a space stands between the two characters of a foreign template tag."""
    if _CONTROL.search(text):
        text = _CONTROL.sub(" ", text)
    if not _SUSPECT.search(text):
        return text
    return _FIRST.sub(lambda m: m.group() + " ", text)


def neutral_html(text: str) -> str:
    """Return text for HTML: escaped, and every character that a foreign template tag is made of as a numeric entity."""
    return _CONTROL.sub(" ", text).translate(_ENTITIES)


def neutral_tags(markup: str) -> str:
    """Return HTML that is escaped already with the characters of foreign template tags as entities."""
    return markup.translate(_TAG_ENTITIES)


def ascii_html(text: str) -> bytes:
    """Encode HTML as ASCII with numeric entities, which reads the same as UTF-8 and as Windows-1252."""
    return text.encode("ascii", "xmlcharrefreplace")


# what most catalogues hold: nothing in it has to be encoded
_PLAIN_ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?(?:/[A-Za-z0-9/._~-]*)?(?:\?[A-Za-z0-9/._~=&-]+)?")


def web_address(address: str) -> str:
    """Return an absolute http(s) address, percent-encoded and free of template tags; empty for anything else."""
    address = address.strip()
    return address if _PLAIN_ADDRESS.fullmatch(address) else _rewritten(address)


def _rewritten(address: str) -> str:
    try:
        parts = urlsplit(address)
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
            return ""
        host = parts.netloc.encode("idna").decode() if not parts.netloc.isascii() else parts.netloc
    except ValueError:
        return ""
    path = _encode(parts.path, "/:@!$&'()*+,;=-._~")
    query = _encode(parts.query, "/?:@!$&'()*+,;=-._~")
    fragment = _encode(parts.fragment, "/?:@!$&'()*+,;=-._~")
    tail = (f"?{query}" if query else "") + (f"#{fragment}" if fragment else "")
    return f"{parts.scheme.lower()}://{_encode(host, ':@[]-._~')}{path}{tail}"


def _encode(part: str, safe: str) -> str:
    # a percent sign stays only where it already begins an escape
    fixed = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", part)
    return quote(fixed, safe=safe + "%").replace("[[", "%5B%5B").replace("${", "%24%7B")
