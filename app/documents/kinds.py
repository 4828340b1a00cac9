"""What a kind of document is, what is found in one, and how it is read from what somebody wrote."""

import difflib
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from app.core.db import Database
from app.core.errors import Invalid

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
NAME_RULE = "a name has 1 to 64 small letters, digits, - and _, and begins with a letter or digit"
Level = Literal["error", "warning", "info"]
Model = TypeVar("Model", bound=BaseModel)


class Finding(BaseModel):
    """Something to know about a document: an `error` can never work, a `warning` does not work now, an `info` is no fault."""

    level: Level
    field: str
    message: str


@dataclass(frozen=True)
class Document:
    """One version of a named document; `number` is its stable number, `published` whether it is the live one, `draft` never was."""

    name: str
    number: int
    version: int
    published: bool
    body: dict[str, Any]
    draft: bool = False


class Facts(Protocol):
    """What a check may know of the shop."""

    @property
    def words(self) -> Mapping[str, Mapping[str, str]]:
        """Return the words of the catalogue by kind and comparable form."""
        ...

    @property
    def recommenders(self) -> Collection[str]:
        """Return the names of all recommenders."""
        ...

    def has_item(self, item_id: str) -> bool:
        """Tell whether there is an item, or a group, of this id."""
        ...

    def samples(self) -> Sequence[dict[str, Any]]:
        """Return items from all over the catalogue as they are shown."""
        ...

    def left_by(self, wanted: Any) -> tuple[int, int, bool]:
        """Return how many groups pass a filter, how many are in stock at all, and whether its condition is counted too."""
        ...


Names = Mapping[str, Collection[str]]
Check = Callable[[Any, Names, Facts | None], Iterable[Finding]]
# These ask the database: what is found in a document of a tenant, by its name, and what names the document of a kind and name, in words.
Look = Callable[[Database, int, str, Any], Awaitable[list[Finding]]]
Users = Callable[[Database, int, str, str], Awaitable[list[str]]]
Naming = Callable[[Mapping[str, Any]], Collection[tuple[str, str]]]
Trial = Callable[[Any, Facts | None], Awaitable[str | None]]


@dataclass(frozen=True)
class Kind(Generic[Model]):
    """A kind of document: its table (`<table>`, `<table>_version`), its model, the ones a fresh shop has, those that must stay, and
    its check, which gets the names of what is published by kind and, where they are known, facts of the shop. What a check may not do in
    this process `trial` does elsewhere; it says what is wrong. `look` finds what only the database knows, `naming` the other documents that
    one names, as (table, name): these cannot be deleted.
    """

    table: str
    model: type[Model]
    defaults: Mapping[str, Model]
    check: Check
    lasting: Callable[[Any], Collection[str]]
    trial: Trial | None = None
    look: Look | None = None
    naming: Naming | None = None

    @property
    def plural(self) -> str:
        """Return how the kind is called in addresses and commands."""
        return f"{self.table}s"


def named(kind: Kind[Any], name: str) -> str:
    """Return a name that a document may have; raises Invalid."""
    if not NAME.fullmatch(name):
        meant = re.sub(r"[^a-z0-9_-]+", "-", name.strip().lower()).strip("-_")[:64]
        hint = f"; {meant} would do" if meant else ""
        raise Invalid(f"{name[:80]!r} cannot name a {kind.table}: {NAME_RULE}{hint}.", errors=[{"field": "name", "message": NAME_RULE}])
    return name


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that names the known word most like another, empty when none is."""
    close = difflib.get_close_matches(word.casefold(), {one.casefold(): one for one in known}, 1, 0.7)
    return f"; did you mean {next(one for one in known if one.casefold() == close[0])}?" if close else ""


def named_items(written: Any) -> list[str]:
    """Return the ids of items or groups that a document names, as somebody wrote it."""
    fields = [written.get(field) for field in ("blocked", "items")] if isinstance(written, dict) else []
    return [one for ids in fields if isinstance(ids, list | tuple) for one in ids if isinstance(one, str)]


def read(kind: Kind[Model], written: Any, name: str = "") -> tuple[Model, int | None]:
    """Return the document that somebody wrote, and the version it says to come from; raises Invalid naming each field.

    What is shown can be published: `name` and `version` may stand beside the fields, or around them as lists give them.
    """
    if not isinstance(written, dict):
        raise Invalid(f"A {kind.table} is a JSON object.")
    inner = written.get(kind.table)
    if isinstance(inner, dict) and set(written) <= {"name", "version", "published", "draft", "findings", kind.table}:
        written = {**inner, **{key: written[key] for key in ("name", "version") if key in written}}
    given = dict(written)
    own, version = given.pop("name", ""), given.pop("version", None)
    if own and name and own != name:
        raise Invalid(
            f"The {kind.table} says that its name is {str(own)[:80]!r}, and {name!r} was asked for: "
            f"to publish a copy, take `name` and `version` out of it.",
            errors=[],
        )
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise Invalid("`version` is the number of the version that was edited.", errors=[{"field": "version", "message": "not a number"}])
    try:
        return kind.model.model_validate(given), version
    except ValidationError as error:
        errors = [_said(kind.model, one) for one in error.errors()[:50]]
        raise Invalid(f"The {kind.table} cannot be used: some fields have wrong values.", errors=errors) from error


def _said(model: type[BaseModel], error: Any) -> dict[str, str]:
    place, message = list(map(str, error["loc"])), error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        fields: Any = model
        for part in place[:-1]:
            if not part.isdigit():  # a place in a list
                field = getattr(fields, "model_fields", {}).get(part)
                fields = _inner(field.annotation) if field is not None else None
        known = getattr(fields, "model_fields", ())
        message = f"there is no such field{nearest(place[-1], known)}"
    return {"field": ".".join(place), "message": message}


def _inner(annotation: Any) -> Any:
    """Return the model that a field holds, alone, perhaps or in a list."""
    if hasattr(annotation, "model_fields"):
        return annotation
    return next((found for one in get_args(annotation) if (found := _inner(one)) is not None), None)
