"""How a file is to be read: what an assistant guesses and people change, and the command line that does the same. Pure."""

import json
import shlex
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from app.data.catalogue.assumed import Assumed
from app.data.events.formats.mapping import FIELDS as EVENT_FIELDS
from app.data.events.formats.mapping import Mapping
from app.data.kinds import KIND_NAMES

What = Literal["items", "events"]
Word = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
Column = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[^\x00]*$")]
ITEM_FIELDS = (
    "id", "title", "description", "category", "brand", "price", "sale_price", "currency", "availability", "link", "image_link",
    "item_group_id", "kind", "sale_price_effective_date", "expiration_date", "image_width", "image_height",
)  # fmt: skip
KINDS = tuple(name for name, kind in KIND_NAMES.items() if kind != 0)


class BadOptions(ValueError):
    """What was chosen cannot be used; the text says what to change."""


class Options(BaseModel):
    """How a file is read. `columns` names the field of each column that is called otherwise; an empty one leaves the column out."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["auto", "csv", "tsv", "json", "jsonl", "xml", "xlsx"] = "auto"
    encoding: Word = "utf-8"
    delimiter: Annotated[str, StringConstraints(pattern=r'^([^\x00\r\n"\\]|\\t)?$')] = ""
    decimal: Literal["", ".", ","] = ""
    timezone: Word = ""
    columns: dict[Column, Word] = Field(default_factory=dict, max_length=10_000)
    # of items
    currency: Word = ""
    base_url: Column = ""
    strict: bool = False
    full: bool = False
    force: bool = False
    # of events
    source: Word = ""
    kind: Word = Field("", description="The kind of all rows, where no column says it.")
    kinds: dict[Column, Word] = Field(default_factory=dict, max_length=1_000, description="What the words of the column `kind` mean.")
    time_format: Word = Field("", description="How moments are written, such as %d.%m.%Y %H:%M; empty for ISO 8601 and unix time.")

    @property
    def mark(self) -> str | None:
        """What separates columns; None where the header is to show it."""
        return self.delimiter.replace("\\t", "\t") or None

    def assumed(self) -> Assumed:
        """Return what is said beside a feed; raises BadOptions."""
        try:
            return Assumed.told(self.currency, self.decimal, self.timezone, self.base_url)
        except ValueError as error:
            raise BadOptions(str(error).replace("--", "", 1)) from None

    def mapping(self) -> Mapping:
        """Return the mapping of events; raises BadOptions."""
        try:
            return Mapping.model_validate(self._document())
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise BadOptions(f"{place}: {first['msg']}" if place else str(first["msg"]).removeprefix("Value error, ")) from None

    def _document(self) -> dict[str, Any]:
        columns: dict[str, list[str]] = {}
        for theirs, ours in self.columns.items():
            if ours:
                columns.setdefault(ours, []).append(theirs)
        wrong = sorted(set(columns) - set(EVENT_FIELDS))
        if wrong:
            raise BadOptions(f"{wrong[0]} is no field of an event; there are {', '.join(EVENT_FIELDS)}")
        document: dict[str, Any] = {"columns": {ours: names[0] if len(names) == 1 else names for ours, names in columns.items()}}
        more: dict[str, Any] = {
            "constants": {"kind": self.kind} if self.kind and "kind" not in columns else {},
            "kinds": {word: kind for word, kind in self.kinds.items() if kind},
            "timezone": self.timezone,
            "time_format": self.time_format,
            "decimal": self.decimal,
            "delimiter": self.mark or "",
            "encoding": self.encoding if self.encoding != "utf-8" else "",
        }
        return document | {name: value for name, value in more.items() if value}

    def toml(self) -> str:
        """Return the mapping of events as the command line reads it."""
        tables, lines = [], []
        for name, value in self._document().items():
            if isinstance(value, dict):
                tables += ["", f"[{name}]", *(f"{_basic(key)} = {_toml(one)}" for key, one in value.items())]
            else:
                lines.append(f"{name} = {_toml(value)}")
        return "\n".join([*lines, *tables]).strip() + "\n"


def command(what: What, file_name: str, options: Options, mapping_file: str = "mapping.toml") -> str:
    """Return the command line that imports a file in the same way."""
    words = ["morsel", "import", what, file_name if not file_name.startswith("-") else f"./{file_name}"]
    if what == "events":
        words += ["--mapping", mapping_file, "--source", options.source or "SOURCE"]
        words += ["--format", options.format] if options.format in ("csv", "tsv", "jsonl", "xlsx") else []
        return shlex.join(words)
    for name in ("format", "encoding", "delimiter", "currency", "decimal", "timezone", "base_url"):
        value = getattr(options, name)
        if value and value != Options.model_fields[name].default:
            words += [f"--{name.replace('_', '-')}", value]
    for theirs, ours in options.columns.items():
        words += ["--column", f"{theirs}={ours}"]
    words += [f"--{name}" for name in ("strict", "full", "force") if getattr(options, name)]
    return shlex.join(words)


def _toml(value: str | list[str]) -> str:
    return f"[{', '.join(_basic(one) for one in value)}]" if isinstance(value, list) else _basic(value)


def _basic(text: str) -> str:
    """Return a text as TOML writes it in quotes; what JSON escapes, TOML reads."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
