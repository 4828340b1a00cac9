"""What routes ask of the running server, by type: `db: Db` and not `request.app.state.db`, which could be anything."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from app.core.db import Database
from app.core.settings import Settings

Found = TypeVar("Found")
NAMES: dict[str, type] = {}
"""Each resource that somebody asks for, with its type; `app.wiring.Resources` has a field for each."""


def resource(name: str, kind: type[Found]) -> Callable[[Request], Awaitable[Found]]:
    """Return a dependency that gives a resource of the running server."""
    NAMES[name] = kind

    async def found(request: Request) -> Found:
        held = getattr(request.app.state, name)
        assert isinstance(held, kind)
        return held

    return found


Db = Annotated[Database, Depends(resource("db", Database))]
Configured = Annotated[Settings, Depends(resource("settings", Settings))]
