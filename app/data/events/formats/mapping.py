"""How the columns of a file become events: a TOML document, checked when it is read."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from app.data.events.domain import USUAL_SCALE
from app.data.events.formats import amounts
from app.data.events.formats.names import kind_of
from app.data.imports.files import FileFault
from app.data.kinds import KIND_NAMES

FIELDS = (
    "user_id",
    "anonymous_id",
    "email",
    "item_id",
    "occurred_at",
    "kind",
    "name",
    "quantity",
    "price",
    "order_id",
    "country",
    "message_id",
    "line_total",
)
FieldName = Literal[
    "user_id",
    "anonymous_id",
    "email",
    "item_id",
    "occurred_at",
    "kind",
    "name",
    "quantity",
    "price",
    "order_id",
    "country",
    "message_id",
    "line_total",
]
Normal = Literal["integer", "lower", "upper"]
Predicate = Callable[[str], bool]


class Refusal(BaseModel):
    """A rule that refuses rows: a field or a column of the file, and one or more conditions, any of which is enough."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=100)
    field: FieldName | None = None
    column: str | list[str] | None = None
    matches: str | None = None
    not_matching: str | None = None
    empty: bool = False
    below: float | None = None
    above: float | None = None
    at_most: float | None = None
    at_least: float | None = None

    @field_validator("matches", "not_matching")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value

    @model_validator(mode="after")
    def _whole(self) -> "Refusal":
        if (self.field is None) == (self.column is None):
            raise ValueError("a rule names either a field or a column")
        if not self.conditions():
            raise ValueError("a rule needs a condition")
        return self

    def conditions(self, decimal: str = "") -> list[Predicate]:
        """Return the conditions as functions of a value's text; `decimal` is the file's decimal sign."""
        found: list[Predicate] = []
        if self.empty:
            found.append(lambda text: not text)
        if self.matches is not None:
            hit = re.compile(self.matches).search
            found.append(lambda text: hit(text) is not None)
        if self.not_matching is not None:
            good = re.compile(self.not_matching).search
            found.append(lambda text: good(text) is None)
        for limit, wrong in (
            (self.below, float.__lt__),
            (self.above, float.__gt__),
            (self.at_most, float.__le__),
            (self.at_least, float.__ge__),
        ):
            if limit is not None:
                found.append(_compare(float(limit), wrong, decimal))
        return found


def _compare(limit: float, wrong: Callable[[float, float], bool], decimal: str) -> Predicate:
    def check(text: str) -> bool:
        try:
            number = float(text)
        except ValueError:
            try:
                number = amounts.read(text, decimal) or 0.0
            except amounts.NoAmount:
                return False
            return bool(text.strip()) and wrong(number, limit)
        return wrong(number, limit)

    return check


class Mapping(BaseModel):
    """Which column holds what. Several columns for one field are alternatives: the first that a file has is taken."""

    model_config = ConfigDict(extra="forbid")

    columns: dict[FieldName, str | list[str]]
    constants: dict[FieldName, str | int | float] = {}
    kinds: dict[str, str] = {}
    normalise: dict[FieldName, Normal] = {}
    refuse: list[Refusal] = []
    keep: list[str] = Field([], description="Columns stored with the event, encrypted with the person's key.")
    timezone: str = "UTC"
    time_format: str | None = None
    encoding: str = "utf-8"
    delimiter: str = Field(",", min_length=1, max_length=1)
    decimal: Literal[".", ","] | None = Field(None, description="The decimal sign; without one what may be two numbers is refused.")
    rating_scale: float = Field(USUAL_SCALE, gt=1, le=1000, description="The best rating; the worst is 1.")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("unknown time zone") from None
        return value

    @field_validator("kinds")
    @classmethod
    def _kinds(cls, value: dict[str, str]) -> dict[str, str]:
        wrong = sorted(set(value.values()) - set(KIND_NAMES))
        if wrong:
            raise ValueError(f"unknown kind {wrong[0]}; there are {', '.join(KIND_NAMES)}")
        return value

    @model_validator(mode="after")
    def _whole(self) -> "Mapping":
        named = set(self.columns) | set(self.constants)
        kind = str(self.constants.get("kind", ""))
        if kind and kind not in self.kinds and kind.lower() not in KIND_NAMES and kind_of(kind) is None:
            raise ValueError(f"constants: unknown kind {kind}; there are {', '.join(KIND_NAMES)}")
        if {"price", "line_total"} <= named:
            raise ValueError("price and line_total are both mapped: one of them says what was paid")
        if not named & {"user_id", "anonymous_id", "email"}:
            raise ValueError("one of user_id, anonymous_id and email must be mapped")
        if "occurred_at" not in named:
            raise ValueError("occurred_at must be mapped")
        if not named & {"kind", "name"}:
            raise ValueError("kind or name must be mapped, or given as a constant")
        return self

    def wanted(self) -> list[str]:
        """Return every column that a file may be asked for."""
        rules = [name for rule in self.refuse if rule.column is not None for name in alternatives(rule.column)]
        mapped = [name for names in self.columns.values() for name in alternatives(names)]
        return list(dict.fromkeys([*mapped, *rules, *self.keep]))


class BadMapping(FileFault):
    """A mapping cannot be used; the text says what to change."""


def load(path: Path) -> Mapping:
    """Read a mapping; raises BadMapping."""
    try:
        return Mapping.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise BadMapping(f"{path.name}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadMapping(f"{path.name}: not valid TOML ({error})") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "mapping"
        raise BadMapping(f"{path.name}: {place}: {first['msg']}") from None


def alternatives(names: str | list[str]) -> list[str]:
    """Return the columns that may hold a field, the preferred first."""
    return [names] if isinstance(names, str) else names
