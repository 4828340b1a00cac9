"""Artefacts on disk: where they lie, what their manifest says, and whether every byte is as it was written."""

import hashlib
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from app.ml import contract

MANIFEST = "manifest.json"
ROWS = "rows.bin"
ROWS_TYPE = "<i4"
FILES = ("top.onnx", "rank.onnx", "weights.bin", ROWS)
# what scores rest on, all of it whole numbers and texts: a database gives them back as they were
_SCORED_WITH = ("contract", "tenant", "recommender", "version", "rows", "history_items", "inputs", "files")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_CHUNK = 1 << 20


class ArtefactError(Exception):
    """An artefact that must not be used; the sentence says why. Whoever asked keeps the model it has."""


@dataclass(frozen=True)
class Manifest:
    """What an artefact is made of: `data` is the window of events, `metrics` those of the temporal hold-out."""

    tenant: str
    recommender: str
    version: str
    created_at: str
    seed: int
    rows: int
    history_items: int
    inputs: list[str]
    parameters: dict[str, Any]
    data: dict[str, Any]
    metrics: dict[str, Any]
    contract: int = contract.VERSION
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the manifest as plain values."""
        return asdict(self)


def folder(store: Path, tenant: str, recommender: str, version: str = "") -> Path:
    """Return the folder of an artefact; names that could lead elsewhere raise ArtefactError."""
    parts = [tenant, recommender, *([version] if version else [])]
    for part in parts:
        if not _NAME.fullmatch(part):
            raise ArtefactError(f"{part!r} is not a name of a tenant, recommender or version")
    return store.joinpath(*parts)


def fingerprint(path: Path) -> dict[str, Any]:
    """Return size and SHA-256 of a file."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return {"bytes": size, "sha256": digest.hexdigest()}


def mark(manifest: dict[str, Any]) -> str:
    """Return the SHA-256 of all in a manifest that scores rest on, checksums of files included."""
    scored = {name: manifest.get(name) for name in _SCORED_WITH}
    return hashlib.sha256(orjson.dumps(scored, option=orjson.OPT_SORT_KEYS)).hexdigest()


def read_manifest(place: Path) -> Manifest:
    """Read the manifest of an artefact; raises ArtefactError when it is missing, malformed or of another contract."""
    try:
        document = orjson.loads((place / MANIFEST).read_bytes())
        manifest = Manifest(**document)
    except FileNotFoundError:
        raise ArtefactError(f"{place.name}: the artefact has no {MANIFEST}") from None
    except (OSError, orjson.JSONDecodeError, TypeError) as error:
        raise ArtefactError(f"{place.name}: {MANIFEST} cannot be read: {error}") from None
    if manifest.contract != contract.VERSION:
        raise ArtefactError(f"{place.name}: built for contract {manifest.contract}, this program speaks {contract.VERSION}")
    return manifest


def verify(place: Path, registered: str = "") -> Manifest:
    """Check every file against the manifest, and that against its `mark` at registration, if given; raises ArtefactError."""
    manifest = read_manifest(place)
    if registered and mark(manifest.document()) != registered:
        raise ArtefactError(f"{place.name}: {MANIFEST} is not the one that was registered; restore the folder, or train or register anew")
    for name in FILES:
        expected = manifest.files.get(name)
        if expected is None:
            raise ArtefactError(f"{place.name}: the manifest does not name {name}")
        try:
            found = fingerprint(place / name)
        except OSError:
            raise ArtefactError(f"{place.name}: {name} is missing") from None
        if found != expected:
            raise ArtefactError(f"{place.name}: {name} is damaged (its checksum differs from the manifest)")
    return manifest
