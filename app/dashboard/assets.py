"""Style and scripts under names that hold their content's hash, so that browsers keep them for good."""

import gzip
import hashlib
import re
from functools import cache
from pathlib import Path

from starlette.responses import Response

from app.core.errors import NotFound

_HERE = Path(__file__).parent / "static"
_MEDIA = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_IMPORT = re.compile(rb'from "\./([a-z_]+\.js)"')


@cache
def _contents() -> dict[str, tuple[str, bytes]]:
    """Return every asset by its plain name: the name that holds its hash, and its bytes with the imports named alike."""
    plain = {path.name: path.read_bytes() for path in sorted(_HERE.rglob("*")) if path.suffix in _MEDIA}
    every = hashlib.sha256(b"".join(plain.values())).hexdigest()[:10].encode()
    # modules import one another, so one hash over all names each: a change of one is a change of all
    named = {
        name: _IMPORT.sub(lambda found: b'from "./' + _hashed(found[1].decode(), every).encode() + b'"', body)
        for name, body in plain.items()
    }
    return {name: (_hashed(name, every), body) for name, body in named.items()}


def _hashed(name: str, every: bytes) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.{every.decode()}.{suffix}"


def address(name: str) -> str:
    """Return where an asset lies; raises KeyError for one that does not exist."""
    return f"/static/{_contents()[name][0]}"


def answer(hashed: str, encodings: str = "") -> Response:
    """Return an asset by the name that holds its hash, packed for whoever takes it so; raises NotFound.

    Pages are not packed: beside what somebody typed, the length would tell of the token of their forms.
    """
    for name, body in _contents().values():
        if name == hashed:
            headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
            if is_packed := "gzip" in encodings:
                headers["Content-Encoding"] = "gzip"
            return Response(_packed(body) if is_packed else body, media_type=_MEDIA[Path(name).suffix], headers=headers)
    raise NotFound("There is no such file.")


@cache
def _packed(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)
