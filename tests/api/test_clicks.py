"""Links over HTTP: one click is one event, a look is none, and a link leads nowhere else."""

from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from app.core.db import Database
from app.core.settings import Settings
from app.data.kinds import Kind
from app.serving.clickback import spool
from tests.serving.shop import Shop, running, stock

NAME = "Recommendation Clicked"


async def links(shop: Shop, **params: Any) -> list[str]:
    """Return the paths of the links of an answer."""
    answer = (await shop.get(placement="email-grid", **params)).json()
    return [urlsplit(item["url"]).path for item in answer["items"]]


async def clicks(shop: Shop) -> list[tuple[Any, ...]]:
    """Return person, kind and item of every click once the server has written what it holds."""
    await shop.app.state.resources.responses.flush()
    rows = await shop.db.rows(
        "select e.person_no, e.kind, i.item_id from event e left join item i on i.tenant = e.tenant and i.item_no = e.item_no "
        "where e.tenant = 1 and e.name = :name order by e.event_no",
        name=NAME,
    )
    return [tuple(row) for row in rows]


async def person_no(shop: Shop, user_id: str) -> int:
    (row,) = await shop.db.rows("select person_no from person_identity where tenant = 1 and kind = 1 and value = :value", value=user_id)
    return int(row[0])


async def test_a_click_is_one_event_of_the_person_and_leads_to_the_item(shop: Shop) -> None:
    answer = (await shop.get(placement="email-grid", user_id="u1")).json()
    item = answer["items"][2]
    followed = await shop.http.get(urlsplit(item["url"]).path)
    assert (followed.status_code, followed.headers["location"]) == (302, f"https://shop.example/{item['item_id']}")
    assert followed.headers["cache-control"] == "no-store"
    assert await clicks(shop) == [(await person_no(shop, "u1"), int(Kind.CLICK), item["item_id"])]


async def test_a_look_with_head_leads_on_and_counts_nothing(shop: Shop) -> None:
    path = (await links(shop, user_id="u1"))[0]
    followed = await shop.http.head(path)
    assert followed.status_code == 302
    assert followed.headers["location"].startswith("https://shop.example/i")
    assert await clicks(shop) == []


async def test_a_click_of_somebody_unknown_counts_for_nobody(shop: Shop) -> None:
    for path in ((await links(shop, user_id="stranger"))[0], (await links(shop))[0]):
        assert (await shop.http.get(path)).status_code == 302
    assert [(person, kind) for person, kind, _ in await clicks(shop)] == [(0, int(Kind.CLICK))] * 2


@pytest.mark.parametrize("extra", ["utm_source=mail&utm_campaign=a%20b", "x=%0d%0aSet-Cookie:%20a", "a=1&a=2", "q=%C3%BC%zz"])
async def test_parameters_that_a_platform_adds_reach_the_shop_as_they_are(shop: Shop, extra: str) -> None:
    path = (await links(shop, user_id="u1"))[0]
    followed = await shop.http.get(httpx2.URL(f"http://test{path}").copy_with(raw_path=f"{path}?{extra}".encode()))
    assert followed.status_code == 302
    assert followed.headers["location"].partition("?")[2] == extra
    assert "set-cookie" not in followed.headers
    assert len(await clicks(shop)) == 1


async def test_no_parameter_turns_the_link_elsewhere(shop: Shop) -> None:
    path = (await links(shop, user_id="u1"))[0]
    for name in ("url", "target", "redirect", "next", "to"):
        followed = await shop.http.get(path, params={name: "https://evil.example/"}, headers={"X-Forwarded-Host": "evil.example"})
        assert urlsplit(followed.headers["location"]).hostname == "shop.example"


async def test_a_changed_link_is_not_found_and_counts_nothing(shop: Shop) -> None:
    path = (await links(shop, user_id="u1"))[0]
    token = path.split("/")[2]
    swapped = "B" if token[20] != "B" else "C"
    wrong = [token[:20] + swapped + token[21:], token[:-4], token[4:], token + "AAAA", "x", "%00", "%E2%82%AC", "a" * 4000, "." * 40]
    for one in wrong:
        for method in ("GET", "HEAD"):
            followed = await shop.http.request(method, f"/c/{one}/1")
            assert followed.status_code == 404, one
            assert followed.headers["content-type"] == "application/problem+json"
    assert await clicks(shop) == []


async def test_a_place_that_was_not_shown_is_not_found(shop: Shop) -> None:
    token = (await links(shop, user_id="u1"))[0].split("/")[2]
    statuses = {place: (await shop.http.get(f"/c/{token}/{place}")).status_code for place in ("7", "100", "0", "-1", "101", "9" * 30, "x")}
    assert statuses == {"7": 404, "100": 404, "0": 422, "-1": 422, "101": 422, "9" * 30: 422, "x": 422}
    assert await clicks(shop) == []


async def test_the_click_of_a_person_who_withdrew_is_not_kept(shop: Shop) -> None:
    path = (await links(shop, user_id="u1"))[0]
    headers = {"X-Api-Key": shop.key}
    withdrawn = await shop.http.put("/v1/admin/people/u1/consent", json={"personalisation": False}, headers=headers)
    assert withdrawn.status_code == 200
    assert (await shop.http.get(path)).status_code == 302
    assert await clicks(shop) == []


async def test_only_allowed_hosts_are_led_to_when_the_setting_names_some(settings: Settings, db: Database) -> None:
    await stock(db, settings, models=False)
    for hosts, status in (("other.example", 404), ("other.example, SHOP.example", 302)):
        async with running(settings.model_copy(update={"link_hosts": hosts}), db, work=False) as shop:
            assert (await shop.http.get((await links(shop))[0])).status_code == status


async def test_another_tenants_or_servers_link_is_not_believed(settings: Settings, db: Database) -> None:
    """A server with other keys knows nothing of a link, although its catalogue has the item."""
    await stock(db, settings, models=False)
    async with running(settings, db, work=False) as shop:
        path = (await links(shop))[0]
    await db.run("delete from signing_key")
    async with running(settings, db, work=False) as shop:
        assert (await shop.http.get(path)).status_code == 404


async def test_a_click_leads_on_with_database_and_disk_gone_and_is_written_once_they_are_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = shop.app.state.resources.responses
    paths = await links(shop, user_id="u1")

    async def away(batch: Any) -> None:
        raise ConnectionRefusedError

    def full(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(held, "_write", away)
        assert (await shop.http.get(paths[0])).status_code == 302
        await held.flush()
        patched.setattr(spool.os, "write", full)
        assert (await shop.http.get(paths[1])).status_code == 302
        await held.flush()
        assert held._spool.size > 0
    held._try_at = 0.0
    assert len(await clicks(shop)) == 2
    assert held._spool.size == 0
