"""Accuracy on public data beside published figures; a line of JSON per figure. See docs/benchmarks.md for the protocols.

    python benchmarks/accuracy.py [--only NAME ...] [--models personal,ease] [--again] [FOLDER]

Each model is trained as `morsel train` does, written as an artefact and read through ONNX Runtime. A row that was measured before is told
from `.morsel/accuracy.json`; `--again` measures it anew.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # `benchmarks` is no installed package

from app.ml import contract
from app.ml.evaluation import metrics
from app.ml.registry.artefact import Manifest, folder
from app.ml.registry.loader import LoadedModel, load
from app.ml.training import artefact
from app.ml.training.service import recommender
from app.plugins import RECOMMENDERS
from benchmarks import accuracy_data as public
from benchmarks.accuracy_data import Question
from benchmarks.online_retail import Figures

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT.parent / "shared" / "data"
KEPT = ROOT / ".morsel" / "accuracy.json"
K = 10
_READ = 50
"""Places that are read: as many equal scores may stand before the one that is looked for."""
_BATCH = 32
SEED = 0


@dataclass(frozen=True)
class Row:
    """A protocol, the best published or simple figure for it (nDCG@10), and what is wanted."""

    read: Callable[[Path], Question]
    anchor: float
    wanted: float


ROWS = {
    "movies": Row(public.movies, 0.186, 0.165),
    "liked-movies": Row(public.liked_movies, 0.334, 0.345),
    "beauty": Row(public.amazon("Beauty", 1), 0.0563, 0.061),
    "beauty-as-published": Row(public.amazon("Beauty", 2), 0.0531, 0.056),
    "sports": Row(public.amazon("Sports_and_Outdoors", 1), 0.0323, 0.037),
    "sports-as-published": Row(public.amazon("Sports_and_Outdoors", 2), 0.0323, 0.034),
    "sessions": Row(public.sessions(new=False), 0.447, 0.46),
    "sessions-new": Row(public.sessions(new=True), 0.177, 0.185),
    "online-retail": Row(public.online_retail(new=False), 0.419, 0.450),
    "online-retail-new": Row(public.online_retail(new=True), 0.102, 0.135),
    "groceries": Row(public.groceries(new=False), 0.0546, 0.058),
    "groceries-new": Row(public.groceries(new=True), 0.0289, 0.033),
}


def main() -> int:
    """Measure, print; 1 when a target was missed."""
    asked = _asked()
    if not asked.folder.is_dir():
        sys.exit(f"{asked.folder} is not there: give the folder of the public data")
    kept: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
    figures, began = Figures(), time.monotonic()
    for name in asked.only or ROWS:
        for model in asked.models.split(","):
            key = f"{name} {model}"
            if asked.again or key not in kept:
                kept[key] = _measured(ROWS[name], model, asked.folder)
                KEPT.parent.mkdir(exist_ok=True)
                KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True))
            _tell(figures, name, model, kept[key])
    figures.tell("total", time.monotonic() - began, "s")
    return 1 if figures.missed else 0


def _asked() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--only", action="append", choices=list(ROWS), help="a row; may be given more than once")
    parser.add_argument("--models", default="personal,transitions,ease,popular")
    parser.add_argument("--again", action="store_true", help="measure also what was measured before")
    return parser.parse_args()


def _tell(figures: Figures, name: str, model: str, found: dict[str, Any]) -> None:
    wanted = f">= {ROWS[name].wanted}" if model == "personal" else None
    figures.tell(f"{name}.{model}.ndcg@{K}", found["ndcg"], baseline=ROWS[name].anchor, target=wanted)
    figures.tell(f"{name}.{model}.hit@{K}", found["hit"])
    figures.tell(f"{name}.{model}.train", found["train_s"], "s")
    figures.tell(f"{name}.{model}.memory", found["memory_mb"], "MB")


def _measured(row: Row, name: str, data_folder: Path) -> dict[str, Any]:
    """Train a recommender on what may be known, and find what is asked."""
    question = row.read(data_folder)
    config = recommender(RECOMMENDERS, name)
    began = time.process_time()
    model = config.fit(question.data, np.random.default_rng(SEED))
    seconds = time.process_time() - began
    with tempfile.TemporaryDirectory(prefix="morsel-accuracy-") as aside:
        manifest = Manifest("bench", name, "v1", datetime.now(UTC).isoformat(), SEED, question.data.rows, 200, [], {}, {}, {})
        artefact.write(Path(aside), manifest, model, question.data)
        gains = np.array(list(_gains(load(folder(Path(aside), "bench", name, "v1")), question)))
    asked = len(gains) + question.unknown
    return {
        "ndcg": float(gains[:, 0].sum() / asked),
        "hit": float(gains[:, 1].sum() / asked),
        "people": asked,
        "train_s": round(seconds, 1),
        "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "seed": SEED,
        "on": datetime.now(UTC).date().isoformat(),
        "learned": getattr(model, "learned", {}),
    }


def _gains(model: LoadedModel, question: Question) -> Iterator[tuple[float, float]]:
    """Yield nDCG and whether anything was found, of each person; of equal scores those that are looked for come last."""
    asked = list(zip(question.people, question.targets, question.left_out, strict=True))
    for start in range(0, len(asked), _BATCH):
        part = asked[start : start + _BATCH]
        histories = [question.known.histories.of(person) for person, _, _ in part]
        item, score = model.score_top(model.assemble(histories), _READ, contract.pad([out for _, _, out in part]))
        for items, scores, (_, target, _) in zip(item, score, part, strict=True):
            found = np.isin(items, target) & ~np.isneginf(scores)
            order = np.lexsort((found, -scores))
            hits = found[order][:K][None]
            yield float(metrics.ndcg(hits, np.array([len(target)]))[0]), float(hits.any())


if __name__ == "__main__":
    sys.exit(main())
