"""Facts as of a moment: what a row of the past says is what was packed at that moment; and what the command writes."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.core import clock
from app.core.db import Database
from app.core.settings import Settings
from app.data.conditions.syntax import Wrong
from app.data.facts import packed
from app.data.facts.domain import Seen, Subject
from app.data.facts.entries import everything
from app.data.kinds import Kind
from app.data.online.publisher import Publisher
from app.data.people import states
from app.data.segments import exporting
from tests.data.conftest import Put, event

FACTS = everything()
NAMES = [fact.name for fact in FACTS.by_name.values() if fact.subject is Subject.PERSON and not fact.key_needed]
NAMES += ["views.24h", "orders.30d", "spent.30d", "views.brand[Sol].7d", "affinity.brand[Sol]", "trait.city"]
# quintiles are those of the day they are read on
REFS = exporting.refs([name for name in NAMES if not name.startswith("rfm")], FACTS)


async def test_a_row_of_the_past_says_what_was_packed_then(
    put: Put,
    db: Database,
    settings: Settings,
    publisher: Publisher,
    tenant: int,
    catalogue: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    applier = states.Applier(db, settings, publisher, tenant)
    now = [datetime(2024, 1, 10, tzinfo=UTC)]
    monkeypatch.setattr(clock, "now", lambda: now[0])
    seen: dict[tuple[str, datetime], list[object]] = {}
    number = 0
    for day in range(0, 40, 5):
        now[0] = datetime(2024, 1, 10, tzinfo=UTC) + timedelta(days=day)
        for user in ("ann", "bob"):
            number += 1
            kind = (Kind.VIEW, Kind.CART, Kind.PURCHASE)[number % 3]
            at = now[0] - timedelta(minutes=5)
            await put(
                event(number, user, "abc"[number % 3], kind, order_id=f"o{number}", value=5.0, traits={"city": f"C{day}"}, occurred_at=at)
            )
        await applier.apply()
        rows = await db.rows(
            "select i.value, s.facts from person_state s join person_identity i using (tenant, person_no) where i.kind = 1"
        )
        for user, value in rows:
            view = Seen(person=packed.read(value), now=now[0].timestamp())
            seen[user, now[0]] = [FACTS.of(ref).reading(ref)(view) for ref in REFS]
    moments = list(seen)
    found = {(row.user_id, row.at): row.values async for page in exporting.rows(db, settings, tenant, REFS, moments) for row in page}
    # of a trait only the newest word is kept: as of before it, it is unknown
    for (_, at), values in [*found.items(), *seen.items()]:
        if at != now[0]:
            values[-1] = None
    differing = {key: [pair for pair in zip(REFS, found[key], seen[key], strict=True) if pair[1] != pair[2]] for key in seen}
    assert {key: pairs for key, pairs in differing.items() if pairs} == {}
    assert len({tuple(map(str, values)) for values in found.values()}) == len(found)
    assert [page async for page in exporting.rows(db, settings, tenant, REFS, [("nobody", None)])] == [[]]


def test_only_facts_of_people_are_exported() -> None:
    with pytest.raises(Wrong, match=r"now\.hour is no fact of a person"):
        exporting.refs(["now.hour"], FACTS)
    with pytest.raises(Wrong, match="there is no fact veiws"):
        exporting.refs(["veiws"], FACTS)


async def test_the_command_writes_parquet_and_tells_what_is_wrong(
    put: Put, settings: Settings, catalogue: dict[str, int], tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    await put(event(1, "ann", occurred_at=datetime.now(UTC) - timedelta(hours=1), traits={"tags": ["x", "y"]}))
    names = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url, "DATA_DIR": str(settings.data_dir)}
    environment = {**os.environ, **{f"MORSEL_{name}": value for name, value in names.items()}}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "app.cli", "facts", "export", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[3])

    out = tmp_path / "facts.parquet"
    done = run(str(out), "--facts", 'views.24h, trait.tags, views.category["a, b"], days_since.order')
    assert (done.returncode, done.stdout.strip()) == (0, f"{out}: 1 rows"), done.stderr
    (row,) = parquet.read_table(out).to_pylist()
    assert row.pop("at").tzinfo is not None
    assert row == {"user_id": "ann", "views.24h": 1.0, "trait.tags": '["x","y"]', 'views.category["a, b"]': 0.0, "days_since.order": None}
    moments = tmp_path / "moments.csv"
    moments.write_text("user_id,at\nann,2020-01-01\nann,today\n")
    wrong = run(str(out), "--moments", str(moments))
    assert (wrong.returncode, "line 3: 'today' is no ISO moment" in wrong.stderr) == (1, True)
    moments.write_text("user_id,at\nann,2020-01-01\nzoe,2020-01-01\n")
    done = run(str(out), "--moments", str(moments), "--facts", "views")
    assert done.returncode == 0, done.stderr
    assert [(row["user_id"], row["views"]) for row in parquet.read_table(out).to_pylist()] == [("ann", None)]
