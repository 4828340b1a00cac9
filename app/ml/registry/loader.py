"""A model in memory, ready to score: two ONNX Runtime sessions and the group behind every row."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from app.ml import contract
from app.ml.contract import Batch, Floats, History, Ints
from app.ml.registry.artefact import ROWS, ROWS_TYPE, ArtefactError, Manifest, verify

_MOST_POPULAR = 1_000
_ONNX_TYPES: dict[Any, str] = {np.int64: "tensor(int64)", np.float32: "tensor(float)"}

ROWS_OF_FULL_CONFIDENCE = 5
_BATCHES = (1, 2, 4, 8, 16, 32)
_USUAL_HISTORY, _USUAL_K = 50, 100
_LONGEST_RUN_S = 0.03
_LONGEST_HISTORY = 500
_EXTREMES = ((0, 1, 0), (36_500, 1, 1), (1e6, 1, 0), (0, 60_000, 0), (1, 1, 1e9))  # age in days, times, amount
# several tensors of so many scores live at once in a run, and ONNX Runtime keeps their memory for the next one
_MOST_SCORES = 1_600_000
_LARGEST_TABLE = 1_000_000
_HANDING_OVER_S = 0.0001  # what it takes to bring a batch to a thread and its results back


class LoadedModel:
    """A verified artefact; every method may be called from several threads at once.

    `rows` int64[N] is the group number of each row, ascending; `batch` the number of people that a run scores fastest by the head.
    """

    def __init__(self, manifest: Manifest, rows: Ints, top: ort.InferenceSession, rank: ort.InferenceSession) -> None:
        self.manifest = manifest
        self.batch = 1
        self.rows = rows
        # the last place stands for all numbers above those of the model
        self._table: Ints | None = None
        if not len(rows) or rows[-1] < _LARGEST_TABLE:
            self._table = np.full(int(rows[-1]) + 2 if len(rows) else 1, contract.PAD, np.int64)
            self._table[rows] = np.arange(len(rows))
        self.inputs = frozenset(one.name for one in rank.get_inputs()) & frozenset(contract.BODY_INPUTS)
        self._top = top
        self._rank = rank
        self._top_inputs = frozenset(one.name for one in top.get_inputs()) & frozenset(contract.BODY_INPUTS)
        # the score at which most of it, or all, comes from what everybody gets, by group number; filled when it is loaded
        self.popular_below: dict[int, float] = {}
        self._open = contract.open_mask(len(rows))
        self._open.flags.writeable = False

    @property
    def recommender(self) -> str:
        """Name of the recommender."""
        return self.manifest.recommender

    @property
    def version(self) -> str:
        """Version of the artefact."""
        return self.manifest.version

    def row_of(self, groups: Any) -> Ints:
        """Return the row of each group number, int64 of the same length; -1 where the model does not know it."""
        wanted = np.asarray(groups, np.int64)
        if self._table is not None:
            found: Ints = self._table[np.minimum(wanted, len(self._table) - 1)]
            return found
        place = np.minimum(np.searchsorted(self.rows, wanted), len(self.rows) - 1)
        return np.where(self.rows[place] == wanted, place, contract.PAD).astype(np.int64)

    def history(self, groups: Any, kind: Any, age: Any, times: Any, amount: Any) -> History:
        """Turn a history in group numbers (newest last) into rows; groups the model does not know are dropped.

        Ages below 0 (events after the moment that scoring takes for now) count as 0.
        """
        row = self.row_of(groups)
        known = row >= 0
        found = contract.history(row, kind, np.maximum(age, 0), times, amount)
        return found if known.all() else found.only(known)

    def confidence(self, history: History) -> float:
        """Return how much a live answer can be trusted: known rows / 5, at most 1."""
        return min(1.0, len(history.row) / ROWS_OF_FULL_CONFIDENCE)

    def assemble(self, histories: Sequence[History]) -> Batch:
        """Pad histories to a batch, with as many entries a person as the model was trained for."""
        return contract.assemble(histories, self.manifest.history_items)

    def score_top(
        self, batch: Batch, k: int, exclude: Ints | None = None, mask: Floats | None = None, mask_id: Ints | None = None
    ) -> tuple[Ints, Floats]:
        """Return rows int64[B,k'] and scores float32[B,k'], best first, k' = min(k, N).

        `exclude` int64[B,E] padded with -1; `mask` float32[M,N] of 0 and -inf with row 0 open; `mask_id` int64[B].
        A place with score -inf is empty.
        """
        people = len(batch.history)
        feed = batch.feed(self._top_inputs)
        feed[contract.MASK] = self._open if mask is None else mask
        feed[contract.MASK_ID] = np.zeros(people, np.int64) if mask_id is None else mask_id
        feed[contract.EXCLUDE] = np.full((people, 1), contract.PAD, np.int64) if exclude is None else exclude
        feed[contract.K] = np.array([min(k, len(self.rows))], np.int64)
        item, score = self._top.run(list(contract.TOP_OUTPUTS), feed)
        return item, score

    def score_rank(self, batch: Batch, candidates: Ints) -> Floats:
        """Return the scores float32[B,P] of candidate rows int64[B,P] padded with -1; -inf at padding."""
        feed = batch.feed(self.inputs)
        feed[contract.CANDIDATES] = candidates
        return np.asarray(self._rank.run(list(contract.RANK_OUTPUTS), feed)[0], np.float32)


def load(place: Path, registered: str = "") -> LoadedModel:
    """Load an artefact; raises ArtefactError when it is missing, damaged, not the one of that `mark`, or breaks the contract."""
    manifest = verify(place, registered)
    rows = np.fromfile(place / ROWS, ROWS_TYPE).astype(np.int64)
    if len(rows) != manifest.rows or not (np.diff(rows) > 0).all():
        raise ArtefactError(f"{place.name}: {ROWS} does not hold {manifest.rows} ascending group numbers")
    try:
        model = LoadedModel(manifest, rows, _session(place / "top.onnx", packed=True), _session(place / "rank.onnx", packed=False))
        _check_inputs(model._top, {**contract.BODY_INPUTS, **contract.TOP_INPUTS}, contract.TOP_INPUTS)
        _check_inputs(model._rank, {**contract.BODY_INPUTS, **contract.RANK_INPUTS}, contract.RANK_INPUTS)
        _check_outputs("top.onnx", model._top, contract.TOP_OUTPUTS)
        _check_outputs("rank.onnx", model._rank, contract.RANK_OUTPUTS)
        _try(model)
        model.batch = best_batch(model)
        model.popular_below = popular_below(model)
    except ArtefactError as error:
        raise ArtefactError(f"{place.name}: {error}") from None
    except Exception as error:  # ONNX Runtime raises bare exceptions of many classes
        raise ArtefactError(f"{place.name}: ONNX Runtime refuses the graph: {error}") from None
    return model


def _session(path: Path, *, packed: bool) -> ort.InferenceSession:
    """Open a graph; `packed` keeps a second copy of its weights, laid out for batches, which one person at a time gains nothing from."""
    options = ort.SessionOptions()
    if not packed:
        options.add_session_config_entry("session.disable_prepacking", "1")
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _check_inputs(session: ort.InferenceSession, allowed: dict[str, Any], needed: dict[str, Any]) -> None:
    found = {one.name: one.type for one in session.get_inputs()}
    for name, kind in found.items():
        if name not in allowed:
            raise ArtefactError(f"the graph asks for an input {name!r} that the contract does not have")
        if kind != _ONNX_TYPES[allowed[name]]:
            raise ArtefactError(f"the graph wants {name!r} as {kind}, the contract gives {_ONNX_TYPES[allowed[name]]}")
    missing = sorted(set(needed) - set(found))
    if missing:
        raise ArtefactError(f"the graph does not read {', '.join(missing)}")


def _check_outputs(name: str, session: ort.InferenceSession, needed: Sequence[str]) -> None:
    found = [one.name for one in session.get_outputs()]
    if missing := [output for output in needed if output not in found]:
        raise ArtefactError(f"`{name}` gives no output {', '.join(missing)}; it gives {', '.join(found)}")


def _try(model: LoadedModel) -> None:
    """Score histories as people have them; a graph that cannot, or whose answer is no score or no row, is refused."""
    size = len(model.rows)
    if not size:
        raise ArtefactError("the model has no rows")
    for people in _tried(size):
        batch = model.assemble(people)
        k = min(10, size)
        item, score = model.score_top(batch, 10, mask=np.zeros((1, size), np.float32))
        for output, given in ((contract.ITEM, item), (contract.SCORE, score)):
            _check_shape("top.onnx", output, given.shape, (len(people), k))
        _check_scores("top.onnx", score)
        if item.min() < 0 or item.max() >= size:
            raise ArtefactError("`top.onnx` names rows that do not exist")
        rank = model.score_rank(batch, np.array([[0, size - 1, contract.PAD]] * len(people)))
        _check_shape("rank.onnx", contract.SCORE, rank.shape, (len(people), 3))
        _check_scores("rank.onnx", rank)
        if not np.isneginf(padded := rank[:, 2]).all():
            raise ArtefactError(f"a padded candidate (-1) must score -inf in `rank.onnx`; it scored {padded[~np.isneginf(padded)][0]:.4g}")
        _check_left_out(model, batch, item, score)


def _check_shape(name: str, output: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if found != wanted:
        raise ArtefactError(f"`{name}` gives `{output}` of shape {found} where the contract wants {wanted}")


def _check_scores(name: str, found: Floats) -> None:
    if not (np.isfinite(found) | np.isneginf(found)).all():
        raise ArtefactError(f"`{name}` gives a score that is no number: scores are finite, or -inf where a place is empty")


def _check_left_out(model: LoadedModel, batch: Batch, item: Ints, score: Floats) -> None:
    """See that rows which are excluded, or masked with -inf, leave the list, and that padding excludes nothing."""
    size, best = len(model.rows), item[:, :1]
    exclude = np.concatenate([best, np.full_like(best, contract.PAD)], axis=1)
    without, left = model.score_top(batch, 10, exclude=exclude)
    if ((without == best) & ~np.isneginf(left)).any():
        raise ArtefactError("an excluded row must score -inf in `top.onnx`; it is still in the list")
    padding = np.full((len(best), 2), contract.PAD, np.int64)
    if not np.array_equal(model.score_top(batch, 10, exclude=padding)[1], score):
        raise ArtefactError("padding of `exclude` (-1) must exclude nothing in `top.onnx`; it changed scores")
    mask = np.zeros((2, size), np.float32)
    mask[1, best[-1]] = -np.inf
    shown, masked = model.score_top(batch, 10, mask=mask, mask_id=np.ones(len(best), np.int64))
    if ((shown == best[-1]) & ~np.isneginf(masked)).any():
        raise ArtefactError("a row with -inf in `mask` must score -inf in `top.onnx`; it is still in the list")


def _tried(size: int) -> list[list[History]]:
    """Return batches of histories as people have them: none, short, as long as may be, old, without amounts, all of one kind."""
    order = np.random.default_rng(0).permutation(size)[:_LONGEST_HISTORY]

    def person(count: int, kind: int, age: float, times: float, amount: float) -> History:
        rows = order[:count]
        full = len(rows)
        return contract.history(rows, np.full(full, kind), np.full(full, age), np.full(full, times), np.full(full, amount))

    last = contract.history([size - 1], [contract.PURCHASE], [1], [1], [1])
    kinds = range(len(contract.KINDS))
    return [
        [contract.history(), last],
        [last],
        [contract.history()],
        [person(count, contract.PURCHASE, 1, 1, 1) for count in (2, 3, 5, 20, _LONGEST_HISTORY)],
        [person(5, kind, 0, 1, 0) for kind in kinds],
        [person(5, contract.KINDS.index("view"), age, times, amount) for age, times, amount in _EXTREMES],
    ]


def popular_below(model: LoadedModel) -> dict[int, float]:
    """Return twice the score that nobody in particular gets, by group number: below it, popularity brought more than the person did.

    A model that adds the same popular part for all answers an empty history with just that part; most models answer it with nothing.
    """
    item, score = model.score_top(model.assemble([contract.history()]), _MOST_POPULAR)
    good = np.isfinite(score[0]) & (score[0] > 0)
    return dict(zip(model.rows[item[0][good]].tolist(), (2 * score[0][good]).tolist(), strict=True))


def best_batch(model: LoadedModel) -> int:
    """Return how many people a run scores fastest by the head, measured: dense rows get slower in batches, factors faster.

    A run stays short enough for an answer to wait for it and its own; a gain below a twentieth is not worth waiting for.
    """
    size = len(model.rows)
    random = np.random.default_rng(0)
    rows = [random.choice(size, min(size, _USUAL_HISTORY), replace=False) for _ in range(_BATCHES[-1])]
    people = [contract.history(r, np.full(len(r), contract.PURCHASE), np.ones(len(r)), np.ones(len(r)), np.ones(len(r))) for r in rows]
    best, least = 1, math.inf
    for count in _BATCHES:
        if count > 1 and count * size > _MOST_SCORES:
            break
        batch = model.assemble(people[:count])
        runs = []
        for _ in range(3):
            began = time.perf_counter()
            model.score_top(batch, _USUAL_K)
            runs.append(time.perf_counter() - began)
        if count > 1 and min(runs) > _LONGEST_RUN_S:
            break
        cost = (min(runs) + _HANDING_OVER_S) / count
        if cost < 0.95 * least:
            best, least = count, cost
    return best
