"""Live scoring beside ONNX Runtime alone: CPU a person for the same graph, over the same items, in batches of the same size."""

import time
from pathlib import Path

import numpy as np

from app.core.ids import DEFAULT_TENANT_NAME
from app.ml import contract
from app.ml.registry.loader import LoadedModel
from app.ml.registry.service import load_model, versions_on_disk
from benchmarks.serving import wrk
from benchmarks.serving.figures import middle, spread, tell
from benchmarks.serving.paths import Served
from benchmarks.serving.processes import morsel
from benchmarks.serving.setup import HISTORY, Shop

WANTED = 0.80
CONNECTIONS = 64
_LIVE = "/v1/recommendations?placement=live&user_id=p"
_K, _BOUGHT = 100, 10


def measure(shop: Shop, rounds: int, seconds: int, work: Path) -> None:
    """Tell what a scored answer costs the server, and what ONNX Runtime alone needs for a person, in interleaved rounds."""
    model = load_model(
        shop.settings.model_dir, DEFAULT_TENANT_NAME, "als", versions_on_disk(shop.settings.model_dir, DEFAULT_TENANT_NAME, "als")[0]
    )
    with morsel(shop.variables()) as server:
        served = Served(shop, server)
        served.warm(_LIVE, work)
        target = served.target("live", _LIVE, once=True)
        alone: list[float] = []
        for _ in range(rounds):
            served.forget_lists()
            wrk.measure(target, CONNECTIONS, seconds, work)
            alone.append(_alone(model, seconds))
    ours = [sample.cpu_us for sample in target.samples[CONNECTIONS]]
    name = f"live_{shop.items}_items"
    tell(f"{name}_batch", model.batch, "people")
    tell(f"{name}_cpu", middle(ours), "us/person", baseline=middle(alone), target=WANTED)
    tell(f"{name}_cpu_spread", spread(ours), "us/person")
    tell(f"{name}_runtime_alone_cpu_spread", spread(alone), "us/person")
    tell(f"{name}_bad", sum(sample.bad for sample in target.samples[CONNECTIONS]), "answers", most=0)


def _alone(model: LoadedModel, seconds: int) -> float:
    """Return the CPU us a person of runs of the graph alone; what it reads is put together before."""
    random = np.random.default_rng(1)
    size, people = len(model.rows), model.batch
    histories = []
    for _ in range(people):
        rows, ones = random.choice(size, HISTORY, replace=False), np.ones(HISTORY)
        histories.append(contract.history(rows, random.integers(3, 8, HISTORY), 100 * random.random(HISTORY), ones, ones))
    batch, masks = model.assemble(histories), np.zeros((2, size), np.float32)
    exclude, ids = random.integers(0, size, (people, _BOUGHT)), np.ones(people, np.int64)
    model.score_top(batch, _K, exclude, masks, ids)
    began, used, runs = time.monotonic(), time.thread_time(), 0
    while time.monotonic() - began < seconds:
        model.score_top(batch, _K, exclude, masks, ids)
        runs += 1
    return (time.thread_time() - used) / (runs * people) * 1e6
