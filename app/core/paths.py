"""Ids in addresses: a slash inside one, written %2F, belongs to the id and parts nothing."""

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote

from fastapi.routing import APIRoute
from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import Match

# no character of any text: Unicode keeps it for uses such as this
_SLASH = "\ufdd0"


class _Id(Convertor[str]):
    """An id in a path, whatever characters it has: `path` of the framework stops at a line break."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("id", _Id())


class IdRoute(APIRoute):
    """A route whose path parameters may hold slashes that the caller wrote as %2F; servers decode the path before routes see it."""

    def matches(self, scope: MutableMapping[str, Any]) -> tuple[Match, MutableMapping[str, Any]]:
        """Match the path with its encoded slashes apart from those that part it."""
        raw: bytes = scope.get("raw_path") or b""
        if scope["type"] != "http" or b"%2" not in raw or b"%2f" not in raw.lower():
            return super().matches(scope)
        written = raw.split(b"?")[0].decode("latin-1").replace("%2f", "%2F").replace("%2F", _SLASH)
        found, child = super().matches({**scope, "path": unquote(written)})
        if found is not Match.NONE:
            child["path_params"] = {
                name: value.replace(_SLASH, "/") if isinstance(value, str) else value for name, value in child["path_params"].items()
            }
        return found, child
