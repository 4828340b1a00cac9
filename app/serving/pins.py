"""The value Redis keeps of a pinned answer, so that all parts and retries of one e-mail show the same items."""

import hashlib
import struct

from app.serving.call import Call
from app.serving.domain import ITEM_REASONS, REASONS, RUNGS, Outcome, Pick
from app.serving.snapshot.catalogue import Catalogue

FORMAT = 1
_HEAD = struct.Struct("<B16sBBIB")
_ITEM = struct.Struct("<IfB")


def pin_digest(call: Call) -> bytes:
    """Name the answer that a call shares with its repeats: everything in it that chooses items."""
    parts = (
        call.placement, call.key.hex(), call.send_id, call.campaign, str(call.limit), ",".join(call.items),
        ",".join(sorted(call.exclude)), call.category,
    )  # fmt: skip
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=15, person=b"morsel-pin").digest()


def pack(outcome: Outcome, catalogue: Catalogue) -> bytes:
    """Encode an outcome."""
    rung, reason = RUNGS.index(outcome.rung), REASONS.index(outcome.reason)
    head = _HEAD.pack(FORMAT, outcome.recommendation_id, rung, reason, outcome.model_no, len(outcome.picks))
    items = [_ITEM.pack(catalogue.numbers[index], score, ITEM_REASONS.index(why)) for index, score, why in outcome.picks]
    return head + b"".join(items)


def unpack(value: bytes | None, catalogue: Catalogue) -> Outcome | None:
    """Decode an outcome; None for nothing or another format. Items the catalogue lost are left out."""
    if value is None or len(value) < _HEAD.size or value[0] != FORMAT:
        return None
    _, recommendation_id, rung, reason, model_no, count = _HEAD.unpack_from(value)
    if len(value) != _HEAD.size + count * _ITEM.size or rung >= len(RUNGS) or reason >= len(REASONS):
        return None
    picks: list[Pick] = []
    for place in range(count):
        item_no, score, why = _ITEM.unpack_from(value, _HEAD.size + place * _ITEM.size)
        index = catalogue.index_of_number(item_no)
        if index >= 0 and why < len(ITEM_REASONS):
            picks.append((index, score, ITEM_REASONS[why]))
    outcome = Outcome(RUNGS[rung], REASONS[reason], picks, model_no)
    outcome.recommendation_id, outcome.pinned = recommendation_id, True
    return outcome
