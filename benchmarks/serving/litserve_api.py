"""The program that `litserver` starts: LitServe over an ONNX graph. A person's number stands for a history, so no database is asked."""

import os
import sys

import litserve as ls
import numpy as np
import onnxruntime as ort

HISTORY, K, SHOWN = 50, 100, 6


class Api(ls.LitAPI):  # type: ignore[misc]
    """Decode to a person, run the graph on the batch, answer with rows and scores."""

    def setup(self, device: str) -> None:
        """Open the graph."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = ort.InferenceSession(os.environ["BENCH_MODEL"], options, providers=["CPUExecutionProvider"])
        self.names = {one.name for one in self.session.get_inputs()}
        self.size = int(os.environ["BENCH_ROWS"])
        self.mask = np.zeros((1, self.size), np.float32)

    def decode_request(self, request: dict[str, int]) -> int:
        """Return the person."""
        return int(request["person"])

    def batch(self, inputs: list[int]) -> list[int]:
        """Keep a batch as it is."""
        return inputs

    def unbatch(self, output: list[object]) -> list[object]:
        """Keep answers as they are."""
        return output

    def predict(self, people: list[int]) -> list[object]:
        """Score histories of 50 rows."""
        step = np.arange(HISTORY) * (self.size // HISTORY)
        history = (np.asarray(people)[:, None] * 7 + step[None, :]) % self.size
        ones = np.ones(history.shape, np.float32)
        feed = {
            "history": history.astype(np.int64), "kind": np.full(history.shape, 3, np.int64), "age": ones, "times": ones, "amount": ones,
            "mask": self.mask, "mask_id": np.zeros(len(people), np.int64), "exclude": np.full((len(people), 1), -1, np.int64),
            "k": np.array([K], np.int64),
        }  # fmt: skip
        item, score = self.session.run(["item", "score"], {name: value for name, value in feed.items() if name in self.names})
        return [{"item": i[:SHOWN].tolist(), "score": s[:SHOWN].tolist()} for i, s in zip(item, score, strict=True)]

    def encode_response(self, output: object) -> object:
        """Keep an answer as it is."""
        return output


if __name__ == "__main__":
    server = ls.LitServer(Api(max_batch_size=8, batch_timeout=0.001), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, log_level="error", generate_client_file=False)
