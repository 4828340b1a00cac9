"""Starts LitServe in front of the same ONNX graph: an inference server that needs nothing but the request."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from app.commands.context import free_port
from app.core.ids import DEFAULT_TENANT_NAME
from app.ml.registry.service import versions_on_disk
from benchmarks.serving.processes import Running, program
from benchmarks.serving.setup import Shop

BODY = '{"person": %d}'


@contextmanager
def litserve(shop: Shop) -> Iterator[Running]:
    """Yield the running server; raises ImportError without LitServe, NotStarted when it does not start."""
    if importlib.util.find_spec("litserve") is None:
        raise ImportError("litserve is not installed: pip install 'morsel[bench]'")
    port, models = free_port(), shop.settings.model_dir
    graph = models / DEFAULT_TENANT_NAME / "als" / versions_on_disk(models, DEFAULT_TENANT_NAME, "als")[0] / "top.onnx"
    environment = {"BENCH_MODEL": str(graph), "BENCH_ROWS": str(shop.items)}
    with program([sys.executable, "-m", "benchmarks.serving.litserve_api", str(port)], environment, port, "/health") as server:
        yield server
