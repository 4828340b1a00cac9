"""The value Redis keeps of a pinned answer, so that all parts and retries of one e-mail show the same items."""

import hashlib
import math
import struct
from collections.abc import Callable, Sequence

from app.decisions.placements.domain import BlockPart
from app.serving.model.call import Call
from app.serving.model.outcome import ITEM_REASONS, REASONS, Outcome, Pick, Rung
from app.serving.model.parameters import PARAMETERS
from app.serving.snapshot.catalogue import Catalogue

FORMAT = 1
_HEAD = struct.Struct("<B16sBBIB")
_LATER = [one for one in PARAMETERS.values() if one.later]
_ITEM = struct.Struct("<IfB")


def pin_digest(call: Call, of: Sequence[BlockPart] = ()) -> bytes:
    """Name the answer that a call shares with its repeats: everything in it that chooses items, and the parts it is made of."""
    parts = [one.pins(call) for one in PARAMETERS.values() if one.pins is not None and not one.later]
    parts += [f"{one.name}={said}" for one in _LATER if one.pins is not None and (said := one.pins(call))]
    parts += [f"parts={','.join(one.name for one in of)}"] if of else []
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=15, person=b"morsel-pin").digest()


def pack(outcome: Outcome, catalogue: Catalogue) -> bytes:
    """Encode an outcome."""
    rung, reason = outcome.rung.number, outcome.reason.number
    head = _HEAD.pack(FORMAT, outcome.recommendation_id, rung, reason, outcome.model_no, len(outcome.picks))
    items = [_ITEM.pack(catalogue.numbers[index], score, why.number) for index, score, why in outcome.picks]
    return head + b"".join(items)


def unpack(value: bytes | None, catalogue: Catalogue, numbered: Callable[[int], Rung | None]) -> Outcome | None:
    """Decode an outcome, whose rung `numbered` knows; None for nothing or another format. Items the catalogue lost are left out."""
    if value is None or len(value) < _HEAD.size or value[0] != FORMAT:
        return None
    _, recommendation_id, rung_number, reason, model_no, count = _HEAD.unpack_from(value)
    rung = numbered(rung_number)
    if len(value) != _HEAD.size + count * _ITEM.size or rung is None or reason >= len(REASONS):
        return None
    picks: list[Pick] = []
    for place in range(count):
        item_no, score, why = _ITEM.unpack_from(value, _HEAD.size + place * _ITEM.size)
        index = catalogue.index_of_number(item_no)
        if index >= 0 and why < len(ITEM_REASONS) and math.isfinite(score):
            picks.append((index, score, ITEM_REASONS[why]))
    outcome = Outcome(rung, REASONS[reason], picks, model_no)
    outcome.recommendation_id, outcome.pinned, outcome.pinned_items = recommendation_id, True, count
    return outcome
