"""Wire shapes of the import assistant."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.data.uploads.domain import Options, What


class ColumnOut(BaseModel):
    """A column of the file, the field it fills (empty: none of ours), and some of its values."""

    name: str
    field: str
    examples: list[str]


class RowOut(BaseModel):
    """A row as it stands in the file, and as what it would land; `fault` says why it would be refused."""

    line: int
    raw: dict[str, str]
    mapped: dict[str, str]
    fault: str
    notes: list[str]


class WordOut(BaseModel):
    """A spelling found in the file, how often, and how it is read; an empty `means` is refused."""

    value: str
    count: int
    means: str


class Preview(BaseModel):
    """What would come of a file, by its first rows."""

    columns: list[ColumnOut]
    rows: list[RowOut] = Field(description="The first 20.")
    looked: int = Field(description="Rows looked at for the counts: the first 2,000.")
    landing: int
    refused: int
    reasons: dict[str, int]
    warnings: dict[str, int]
    availability: list[WordOut]
    prices: list[WordOut]
    moments: list[WordOut]
    kinds: list[WordOut]
    notes: list[str]
    fault: str = Field(description="Why nothing of it can be imported as it is read now.")
    command: str = Field(description="The command line that imports it in the same way.")
    mapping: str = Field(description="For events: the mapping as TOML, for --mapping.")


class RunOut(BaseModel):
    """An import that began: by the command line, or by an upload."""

    run_no: int
    upload_no: int | None
    what: What | Literal["traits"]
    file_name: str
    source: str
    started_at: datetime
    finished_at: datetime | None
    read: int
    landed: int
    duplicate: int
    refused: int
    fault: str


class RunList(BaseModel):
    """Runs, newest first."""

    runs: list[RunOut]
    next: str | None = Field(description="Give it as `before` for the page behind; none on the last.")


class RunDetail(RunOut):
    """A run with its report."""

    report: dict[str, Any]


class UploadOut(BaseModel):
    """A file that was handed in: how it is to be read, how far its import is, and the report of it."""

    upload_no: int
    what: What
    file_name: str
    bytes: int
    who: str
    status: Literal["staged", "waiting", "running", "done", "failed"]
    created_at: datetime
    options: Options
    rows_read: int
    bytes_done: int
    fault: str
    run: RunDetail | None
    refused_kept: int = Field(description="Refused rows that can be downloaded, for a day.")


class Staged(UploadOut):
    """An upload with what was guessed of it."""

    preview: Preview


class Saved(BaseModel):
    """How a kind of file is read, kept under a name."""

    what: What
    name: str
    options: Options
    saved_at: datetime


class SavedList(BaseModel):
    """All that was kept, by name."""

    mappings: list[Saved]


class Forgotten(BaseModel):
    """What was deleted."""

    deleted: bool


class MappingIn(BaseModel):
    """How a kind of file is read."""

    model_config = ConfigDict(extra="forbid")

    options: Options
