"""What the demo keeps between two starts: which shop was generated, whom to show, and the credentials it made."""

import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from app.core.settings import Settings

_FORMAT = 1


@dataclass(frozen=True)
class Sample:
    """A person that the page offers; `about` says what the generator gave them."""

    user_id: str
    name: str
    about: str


@dataclass
class Kept:
    """`base_url` stands in the links of the catalogue; `stocked` is true when everything was imported and trained."""

    seed: int
    scale: float
    now: str
    base_url: str = ""
    stocked: bool = False
    people: list[Sample] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    credentials: dict[str, str] = field(default_factory=dict)


def folder(settings: Settings) -> Path:
    """Return the demo's own folder, made private at first use."""
    path = settings.data_dir.resolve() / "demo"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def load(settings: Settings) -> Kept | None:
    """Return what an earlier start kept; None when there is nothing that this release can read."""
    try:
        document = orjson.loads((folder(settings) / "shop.json").read_bytes())
        if document.pop("format") != _FORMAT:
            return None
        people = [Sample(**one) for one in document.pop("people")]
        return Kept(people=people, **document)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(settings: Settings, kept: Kept) -> None:
    """Keep it for the next start."""
    write_private(folder(settings) / "shop.json", {"format": _FORMAT, **asdict(kept)})


def write_private(path: Path, document: dict[str, Any]) -> None:
    """Write JSON that only this user may read, whole or not at all."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    fresh.replace(path)
