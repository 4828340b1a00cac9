"""Popular lists as a part of the picture that servers answer from: group numbers by segment, best first."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.db import Database
from app.core.parts import Part


async def _read(db: Database, tenant: int) -> dict[str, Any]:
    lists = await db.rows("select segment, groups, scores from popular_list where tenant = :tenant", tenant=tenant)
    return {segment: [list(groups), list(scores)] for segment, groups, scores in lists}


def _load(lists: Any) -> dict[str, NDArray[np.int64]]:
    return {segment: np.array(groups, np.int64) for segment, (groups, _) in (lists or {}).items()}


PART = Part("popular", ("popular",), _read, _load)
