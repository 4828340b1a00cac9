"""Every id that gets in can be shown, changed, consented and erased over HTTP."""

from urllib.parse import quote

import httpx
import pytest


@pytest.mark.parametrize(
    "user", ["a\nb", "AB/12", "a/merges", "a/consent", "/a/", "a//b", "50%", "a%2Fb", "a b", "a+b", "a?b#c", "Zoë", "用户", "a&b=c", "a.b"]
)
async def test_odd_ids_are_reached(http: httpx.AsyncClient, user: str) -> None:
    sent = await http.post("/v1/identify", json={"userId": user, "anonymousId": "dev/1", "traits": {"plan": "gold"}})
    assert sent.json()["accepted"] == 1
    path = f"/v1/admin/people/{quote(user, safe='')}"
    found = await http.get(path)
    assert (found.status_code, found.json()["traits"]) == (200, {"plan": "gold"}), found.text
    merges = (await http.get(f"{path}/merges")).json()["merges"]
    assert merges[0]["into"]["value"] == user
    assert (await http.post(f"{path}/merges/{merges[0]['merge_no']}/undo")).status_code == 200
    said = await http.put(f"{path}/consent", json={"personalisation": False})
    assert (said.status_code, said.json()["user_id"]) == (200, user)
    assert (await http.get(path)).json()["personalisation"] is False
    assert (await http.get(f"/v1/admin/signals/people/{quote(user, safe='')}")).status_code == 200
    assert (await http.delete(path)).json()["ids"] == 1
    assert (await http.get(path)).status_code == 404


async def test_ids_are_trimmed_on_every_way_in(http: httpx.AsyncClient) -> None:
    await http.post("/v1/track", json={"event": "x", "userId": " padded "})
    for written in ("padded", "%20padded", "padded%20%20"):
        assert (await http.get(f"/v1/admin/people/{written}")).status_code == 200
    await http.put("/v1/admin/people/%20padded/consent", json={"personalisation": True})
    assert (await http.get("/v1/admin/people/padded")).json()["personalisation"] is True


@pytest.mark.parametrize("user", ["undefined", "%7B%7Bid%7D%7D", "%25%25id%25%25"])
async def test_nobody_can_say_yes_for_nobody(http: httpx.AsyncClient, user: str) -> None:
    answer = await http.put(f"/v1/admin/people/{user}/consent", json={"personalisation": True})
    assert answer.status_code == 422
    assert "names nobody" in answer.text
