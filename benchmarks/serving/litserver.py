"""LitServe in front of the same ONNX graph: what an inference server costs that gets the history in the request."""

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.commands.running import free_port
from benchmarks.serving.processes import Running, program
from benchmarks.serving.setup import HISTORY, Shop

TOP = 1_000_000
_K = 100


@contextmanager
def litserve(shop: Shop) -> Iterator[tuple[Running, str]]:
    """Yield the server and the body of a request, `%d` in it being the person; raises ImportError without LitServe."""
    if importlib.util.find_spec("litserve") is None:
        raise ImportError("litserve is not installed: pip install 'morsel[bench]'")
    port = free_port()
    graphs = sorted(Path(shop.settings.model_dir).glob("*/als/*/top.onnx"))
    environment = {"BENCH_MODEL": str(graphs[-1]), "BENCH_ROWS": str(shop.items)}
    with program([sys.executable, "-m", "benchmarks.serving.litserver", str(port)], environment, port, "/health") as server:
        yield server, json.dumps({"person": 0}).replace("0", "%d")


def main() -> None:
    """Serve; a person's number stands for a history of 50 rows, so that no database is asked."""
    import litserve as ls
    import numpy as np
    import onnxruntime as ort

    class Api(ls.LitAPI):  # type: ignore[misc]
        """Decode to a history, run the graph on the batch, encode rows and scores."""

        def setup(self, device: str) -> None:
            options = ort.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            self.session = ort.InferenceSession(os.environ["BENCH_MODEL"], options, providers=["CPUExecutionProvider"])
            self.rows = self.session.get_inputs()[0].shape
            self.names = {one.name for one in self.session.get_inputs()}
            self.size = int(os.environ["BENCH_ROWS"])
            self.mask = np.zeros((1, self.size), np.float32)

        def decode_request(self, request: dict[str, int]) -> int:
            return int(request["person"])

        def batch(self, inputs: list[int]) -> list[int]:
            return inputs

        def unbatch(self, output: list[object]) -> list[object]:
            return output

        def predict(self, people: list[int]) -> list[object]:
            step = np.arange(HISTORY) * (self.size // HISTORY)
            history = (np.asarray(people)[:, None] * 7 + step[None, :]) % self.size
            ones = np.ones(history.shape, np.float32)
            feed = {
                "history": history.astype(np.int64), "kind": np.full(history.shape, 3, np.int64), "age": ones, "times": ones,
                "amount": ones, "mask": self.mask, "mask_id": np.zeros(len(people), np.int64),
                "exclude": np.full((len(people), 1), -1, np.int64), "k": np.array([_K], np.int64),
            }  # fmt: skip
            item, score = self.session.run(["item", "score"], {name: value for name, value in feed.items() if name in self.names})
            return [{"item": i[:6].tolist(), "score": s[:6].tolist()} for i, s in zip(item, score, strict=True)]

        def encode_response(self, output: object) -> object:
            return output

    api = Api(max_batch_size=8, batch_timeout=0.001)
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, log_level="error", generate_client_file=False)


if __name__ == "__main__":
    main()
