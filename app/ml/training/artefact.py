"""Writing an artefact: all files in a folder aside, then one rename, so that a half-written model is never seen."""

import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import orjson

from app.ml import contract
from app.ml.graph import heads
from app.ml.graph.builder import Graph
from app.ml.interactions import Interactions
from app.ml.recommenders.base import Fitted, silent_body
from app.ml.registry.artefact import FILES, MANIFEST, ROWS, ROWS_TYPE, Manifest, fingerprint, folder


def write(store: Path, manifest: Manifest, model: Fitted, data: Interactions) -> Manifest:
    """Write the artefact that the manifest names; return the manifest with the inputs and the checksums of its files."""
    place = folder(store, manifest.tenant, manifest.recommender, manifest.version)
    aside = place.with_name(f".{place.name}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        body = Graph()
        heads.write(body, silent_body(body, model.body(body)), aside)
        data.groups.astype(ROWS_TYPE).tofile(aside / ROWS)
        inputs = sorted(set(body.inputs) & set(contract.BODY_INPUTS))
        settled = {**manifest.parameters, "learned": getattr(model, "learned", {})}
        files = {name: fingerprint(aside / name) for name in FILES}
        complete = replace(manifest, parameters=settled, inputs=inputs, files=files)
        document = orjson.dumps(asdict(complete), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)
        (aside / MANIFEST).write_bytes(document)
        _flush(aside)
        aside.rename(place)
        _flush_folder(place.parent)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return complete


def _flush(place: Path) -> None:
    for path in place.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _flush_folder(place)


def _flush_folder(place: Path) -> None:
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
