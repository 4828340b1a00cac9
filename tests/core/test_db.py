"""What a fault of the database says names nobody."""

import pytest
from sqlalchemy.exc import DBAPIError

from app.core.db import Database


async def test_a_database_fault_names_no_parameters(db: Database) -> None:
    with pytest.raises(DBAPIError) as told:
        await db.rows("select 1 / cast(:none as int), cast(:who as text)", none=0, who="ann@shop.example")
    assert "ann@shop.example" not in f"{told.value} {told.value!r}"
