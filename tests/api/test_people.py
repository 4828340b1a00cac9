"""People over HTTP with a worker beside: a merge, its undo and an erasure show in answers; and the same by the command line."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.serving.shop import Shop

ROOT = Path(__file__).resolve().parents[2]


async def send(shop: Shop, method: str, path: str, **body: Any) -> Any:
    answer = await shop.http.request(method, path, json=body or None, headers={"X-Api-Key": shop.key})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def source(shop: Shop, **who: str) -> str:
    return str((await shop.get(placement="email-grid", **who)).json()["source"])


async def command(shop: Shop, *arguments: str) -> subprocess.CompletedProcess[str]:
    names = {"DATABASE_URL": shop.settings.database_url, "REDIS_URL": shop.settings.redis_url, "DATA_DIR": str(shop.settings.data_dir)}
    environment = {**os.environ, **{f"MORSEL_{name}": value for name, value in names.items()}}
    line = [sys.executable, "-m", "app.cli", "people", *arguments]
    return await asyncio.to_thread(subprocess.run, line, env=environment, capture_output=True, text=True, cwd=ROOT)


async def test_a_merge_its_undo_and_an_erasure_show_in_answers(shop: Shop) -> None:
    own = ("live", "cached")
    assert await source(shop, anonymous_id="tablet") not in own
    await send(shop, "POST", "/v1/identify", userId="u1", anonymousId="tablet")

    async def merged() -> bool:
        return await source(shop, anonymous_id="tablet") in own

    assert await shop.until(merged)
    (merge,) = (await send(shop, "GET", "/v1/admin/people/u1/merges"))["merges"]
    assert (await send(shop, "POST", f"/v1/admin/people/u1/merges/{merge['merge_no']}/undo"))["applied"] is True
    assert await source(shop, anonymous_id="tablet") not in own
    assert await source(shop, user_id="u1") in own
    receipt = await send(shop, "DELETE", "/v1/admin/people/u1")
    assert (receipt["ids"], receipt["applied"]) == (1, True)
    assert await source(shop, user_id="u1") not in own


async def test_the_command_line_lists_undoes_and_erases(shop: Shop) -> None:
    await send(shop, "POST", "/v1/alias", userId="u2", previousId="u3")
    listed = json.loads((await command(shop, "merges", "u3")).stdout)["merges"]
    (merge,) = [one for one in listed if one["former"]["kind"] == one["into"]["kind"]]
    undone = json.loads((await command(shop, "unmerge", "u2", str(merge["merge_no"]))).stdout)
    assert (undone["together"], undone["applied"]) == (False, True)
    assert json.loads((await command(shop, "erase", "u2")).stdout)["ids"] == 1
    for line in (("merges", "u2"), ("unmerge", "u2", "1"), ("erase", "u2"), ("erase", "nobody", "--by", "anonymous_id")):
        failed = await command(shop, *line)
        assert (failed.returncode, failed.stdout) == (1, ""), line
    assert (await send(shop, "GET", "/v1/admin/people/u3/merges"))["merges"] == []


async def test_a_person_whose_id_holds_slashes_can_be_shown_consented_and_erased(shop: Shop) -> None:
    await send(shop, "POST", "/v1/track", event="Product Viewed", userId="crm/eu/7", properties={"product_id": "i1"})
    path = "/v1/admin/people/crm%2Feu%2F7"
    assert await send(shop, "GET", path)
    assert (await send(shop, "PUT", f"{path}/consent", personalisation=False))["user_id"] == "crm/eu/7"
    assert (await send(shop, "GET", f"{path}/merges"))["merges"] == []
    assert (await send(shop, "DELETE", path))["applied"] is True
