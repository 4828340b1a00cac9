"""A model that was not trained here: its folder is checked as serving would load it, and then registered like any other."""

import asyncio
import os
import re
import secrets
import shutil
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from app.core.db import Database
from app.core.errors import Conflict, Invalid
from app.core.logging import log
from app.ml.registry import service
from app.ml.registry.artefact import FILES, MANIFEST, ROWS, ROWS_TYPE, ArtefactError, Manifest, fingerprint, folder
from app.ml.registry.loader import load

_NEEDED = ("top.onnx", "rank.onnx", ROWS)
_RECOMMENDER = re.compile(r"[a-z0-9_]{1,40}")
_TOLD = ("parameters", "metrics", "data", "seed", "history_items")
_EVER = "1970-01-01T00:00:00+00:00"


async def adopt(db: Database, models_dir: Path, tenant: int, source: Path, recommender: str = "", history_items: int = 200) -> Manifest:
    """Copy a folder of graphs into the model folder, check it, register it and return its manifest; it is not live yet.

    The folder holds `top.onnx`, `rank.onnx` and `rows.bin`, `weights.bin` if the graphs name it, and perhaps a `manifest.json`
    that says `recommender`, `parameters`, `metrics`, `data` or `history_items`; version and checksums are made here. Raises Invalid
    for a folder that lacks something and Conflict, with the check that failed, for graphs that break the contract.
    """
    told = _manifest(source)
    name = recommender or str(told.get("recommender", ""))
    if not _RECOMMENDER.fullmatch(name):
        raise Invalid("Name the recommender (--recommender) with up to 40 small letters, digits and _.")
    if missing := [one for one in _NEEDED if not (source / one).is_file()]:
        raise Invalid(
            f"{source} has no {', '.join(missing)}; a model is top.onnx, rank.onnx and rows.bin, and weights.bin if they name it."
        )
    tenant_name = await service.tenant_name(db, tenant)
    manifest = await asyncio.to_thread(_adopt, models_dir, tenant_name, source, name, told, history_items)
    await service.register(db, tenant, manifest)
    log.info("model.registered", tenant=tenant, recommender=name, version=manifest.version)
    return manifest


def _manifest(source: Path) -> dict[str, Any]:
    path = source / MANIFEST
    if not path.is_file():
        return {}
    try:
        found = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise Invalid(f"{path} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise Invalid(f"{path} must hold an object.")
    return found


def _adopt(models_dir: Path, tenant: str, source: Path, recommender: str, told: dict[str, Any], history_items: int) -> Manifest:
    created = datetime.now(UTC)
    draft = Manifest(
        tenant=tenant,
        recommender=recommender,
        version=f"{created:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
        created_at=created.isoformat(),
        seed=0,
        rows=len(np.fromfile(source / ROWS, ROWS_TYPE)),
        history_items=history_items,
        inputs=[],
        parameters={},
        data={},
        metrics={},
    )
    given = {key: told[key] for key in _TOLD if isinstance(told.get(key), type(getattr(draft, key)))}
    data = {"from": _EVER, "to": created.isoformat(), **given.pop("data", {})}
    draft = replace(draft, **given, data=data)
    place = folder(models_dir, tenant, recommender, draft.version)
    aside = place.with_name(f".{place.name}.{os.getpid()}")
    aside.mkdir(parents=True)
    try:
        for name in FILES:
            if (source / name).is_file():
                shutil.copyfile(source / name, aside / name)
            else:
                (aside / name).touch()
        complete = replace(draft, files={name: fingerprint(aside / name) for name in FILES})
        _write(aside, complete)
        complete = replace(complete, inputs=sorted(load(aside).inputs))
        _write(aside, complete)
        aside.rename(place)
    except ArtefactError as error:
        raise Conflict(f"The model was not registered: {str(error).removeprefix(f'{aside.name}: ')}.") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return complete


def _write(place: Path, manifest: Manifest) -> None:
    (place / MANIFEST).write_bytes(orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
