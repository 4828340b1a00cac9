"""The last snapshot on local disk, checksummed: enough to start and answer with PostgreSQL and Redis dead.

`<folder>/base-<mark>/` holds the catalogue, one `.npy` file an array and the documents in `arena.bin`; `config-<mark>.json` the rest;
`current.json` names both with their checksums and is replaced in one step.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from app.core.locks import alone
from app.serving.snapshot import arena
from app.serving.snapshot.catalogue import Catalogue

_ARRAYS = ("item_no", "group", "group_no", "available", "price", "offsets", "timed")
_ARENA = "arena.bin"
_CODES = ("kind", "category", "brand", "currency")
FORMAT = 3


class Damaged(ValueError):
    """The snapshot on disk is missing, half written or changed."""


def writing(folder: Path) -> AbstractContextManager[bool]:
    """Hold the writer's lock of a folder; gives False when another process writes now."""
    return alone(folder / "write.lock")


def current(folder: Path) -> dict[str, Any]:
    """Return what `current.json` says: format, base, config, their versions and checksums; raises Damaged."""
    try:
        pointer = orjson.loads((folder / "current.json").read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise Damaged(f"no snapshot in {folder}") from error
    if not isinstance(pointer, dict) or pointer.get("format") != FORMAT:
        raise Damaged("the snapshot has another format")
    kinds = {"base": str, "config": str, "config_sum": str, "sums": dict, "versions": dict}
    if any(not isinstance(pointer.get(name), kind) for name, kind in kinds.items()):
        raise Damaged("current.json of the snapshot is not whole")
    return pointer


def save(folder: Path, catalogue: Catalogue | None, config: dict[str, Any], versions: dict[str, int]) -> None:
    """Write a snapshot beside the last one, then make it the current one; without a catalogue the last one stays.

    Raises OSError when the disk takes it not; the last one is whole then, and no half of the new one is left.
    """
    mark = secrets.token_hex(6)
    try:
        _save(folder, mark, catalogue, config, versions)
    except OSError:
        shutil.rmtree(folder / f"base-{mark}", ignore_errors=True)
        for name in (f"config-{mark}.json", f"current.{mark}.json"):
            with contextlib.suppress(OSError):
                (folder / name).unlink(missing_ok=True)
        raise


def _save(folder: Path, mark: str, catalogue: Catalogue | None, config: dict[str, Any], versions: dict[str, int]) -> None:
    if catalogue is None:
        pointer = current(folder)
        base, sums = pointer["base"], pointer["sums"]
    else:
        base = mark
        sums = _save_base(folder / f"base-{mark}", catalogue)
    raw = orjson.dumps(config)
    path = folder / f"config-{mark}.json"
    with path.open("wb") as out:
        os.fchmod(out.fileno(), 0o600)
        out.write(raw)
        _settle(out)
    said = {"format": FORMAT, "base": base, "config": mark, "versions": versions, "sums": sums}
    fresh = folder / f"current.{mark}.json"
    with fresh.open("wb") as out:
        out.write(orjson.dumps({**said, "config_sum": hashlib.sha256(raw).hexdigest()}))
        _settle(out)
    fresh.replace(folder / "current.json")
    _forget_old(folder, (base, mark))


def _save_base(base: Path, catalogue: Catalogue) -> dict[str, str]:
    base.mkdir(mode=0o700)
    arrays: dict[str, Any] = {name: getattr(catalogue, name) for name in _ARRAYS}
    arrays |= {f"code_{name}": catalogue.code[name] for name in _CODES} | {"created": catalogue.created}
    texts = {"item_ids": catalogue.item_ids, "words": catalogue.words, "changed": _spelled(catalogue)}
    arrays["texts"] = np.frombuffer(orjson.dumps(texts), np.uint8)
    for name, array in arrays.items():
        with (base / f"{name}.npy").open("wb") as out:
            np.save(out, array)
            _settle(out)
    with (base / _ARENA).open("wb") as out:
        for piece in catalogue.documents.pieces():
            out.write(piece)
        _settle(out)
    return {path.name: _sum(path) for path in base.iterdir()}


def load(folder: Path) -> tuple[Catalogue, dict[str, Any], dict[str, int]]:
    """Read the current snapshot; raises Damaged when a checksum does not hold."""
    pointer = current(folder)
    base = folder / f"base-{pointer['base']}"
    arrays: dict[str, Any] = {}
    try:
        for name, expected in pointer["sums"].items():
            if _sum(base / name) != expected:
                raise Damaged(f"{name} of the snapshot was changed")
            if name != _ARENA:
                arrays[name.removesuffix(".npy")] = np.load(base / name)
        documents = arena.opened(base / _ARENA)
        raw = (folder / f"config-{pointer['config']}.json").read_bytes()
    except (OSError, ValueError) as error:
        raise Damaged(str(error)) from error
    if hashlib.sha256(raw).hexdigest() != pointer["config_sum"]:
        raise Damaged("the configuration of the snapshot was changed")
    texts = orjson.loads(arrays["texts"].tobytes())
    catalogue = Catalogue(
        **{name: arrays[name] for name in _ARRAYS},
        documents=documents,
        item_ids=texts["item_ids"],
        words=texts["words"],
        code={name: arrays[f"code_{name}"] for name in _CODES},
        changed={int(index): document.encode() for index, document in texts["changed"].items()},
        created=arrays.get("created", np.zeros(0)),
    )
    return catalogue.at(time.time()), orjson.loads(raw), pointer["versions"]


def share(folder: Path, catalogue: Catalogue) -> bool:
    """Let the file of the current snapshot, which all processes read, stand for a catalogue's own documents; tell whether it does.

    It must hold the same documents.
    """
    try:
        path = folder / f"base-{current(folder)['base']}" / _ARENA
        with path.open("rb") as file:
            same = all(file.read(len(piece)) == piece for piece in catalogue.documents.pieces()) and not file.read(1)
        if same:
            catalogue.documents = arena.opened(path)
    except OSError:
        return False
    return same


def _spelled(catalogue: Catalogue) -> dict[str, str]:
    return {str(index): document.decode() for index, document in catalogue.changed.items()}


def _settle(out: Any) -> None:
    out.flush()
    os.fsync(out.fileno())


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _forget_old(folder: Path, keep: tuple[str, str]) -> None:
    """Remove all but the current snapshot; a worker that has the old arena mapped keeps its pages."""
    for path in folder.iterdir():
        old = path.name.startswith(("base-", "config-", "current.")) and not any(mark in path.name for mark in keep)
        if old and path.name != "current.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
