"""The demo's page and its calls: real answers, honest errors, and nothing of it in a plain server."""

import asyncio
import html
import re
import stat
import sys

import httpx2
import pytest

from app.core.settings import Settings
from app.demo import state as keeping
from app.main import create_app
from tests.demo.conftest import Demo

PNG = b"\x89PNG\r\n\x1a\n"
FROM_PAGE = {"X-Demo": "1"}


def shown(page: str) -> list[str]:
    """Return the items beside the e-mail."""
    return re.findall(r'data-event="buy" data-item="([^"]+)"', page)


async def screen(demo: Demo, user: str) -> str:
    answer = await demo.http.get("/demo/screen", params={"user": user})
    assert answer.status_code == 200
    return answer.text


async def test_the_page_shows_the_mail_the_reasons_the_rung_and_the_latency(demo: Demo) -> None:
    page = (await demo.http.get("/demo")).text
    first = demo.kept.people[0]
    assert f"<h1>{first.name}</h1>" in page
    assert len(shown(page)) == 7
    mail = html.unescape(re.search(r'srcdoc="([^"]+)"', page)[1])  # type: ignore[index]
    for item in shown(page):
        assert f"/demo/pictures/{item}.png" in mail
    assert re.search(r"<b>\d+\.\d<small> ms", page)
    assert re.search(r'class="rung own">(live|cached)<', page)
    assert "for you" in page
    assert '<li class="gave">' in page


async def test_the_page_never_shows_its_key(demo: Demo) -> None:
    page = (await demo.http.get("/demo")).text
    for name in ("page_key", "admin_secret", "client_secret", "api_key"):
        assert demo.kept.credentials[name] not in page


async def test_other_people_see_other_items_and_a_stranger_what_is_popular(demo: Demo) -> None:
    pages = [await screen(demo, one.user_id) for one in demo.kept.people[:4]]
    assert len({tuple(shown(page)) for page in pages}) == 4
    stranger = await screen(demo, demo.kept.people[-1].user_id)
    assert 'class="rung low">popular<' in stranger
    assert "nobody is known by this id" in stranger


async def test_a_person_without_consent_gets_nothing_personal(demo: Demo) -> None:
    withdrawn = demo.kept.people[-2]
    assert "withdrew consent" in withdrawn.about
    page = await screen(demo, withdrawn.user_id)
    assert 'class="rung low">popular<' in page
    assert "for you" not in page


async def test_a_purchase_on_the_page_changes_the_next_answer(demo: Demo) -> None:
    user = demo.kept.people[1].user_id
    item = shown(await screen(demo, user))[1]
    before = (await demo.http.get("/demo/sequence", params={"user": user})).json()["sequence"]
    sent = await demo.http.post("/demo/events", json={"user": user, "item": item, "what": "buy"}, headers=FROM_PAGE)
    assert sent.json() == {"problem": ""}
    for _ in range(100):
        if (await demo.http.get("/demo/sequence", params={"user": user})).json()["sequence"] != before:
            break
        await asyncio.sleep(0.05)
    page = await screen(demo, user)
    assert item not in shown(page)
    history = page[page.index('class="history"') : page.index('class="mail"')]
    assert history.index(f"/demo/pictures/{item[:-1]}") == history.index("/demo/pictures/")
    assert "bought" in history


async def test_an_event_of_a_person_without_consent_is_refused_and_told(demo: Demo) -> None:
    withdrawn = demo.kept.people[-2].user_id
    sent = await demo.http.post("/demo/events", json={"user": withdrawn, "item": demo.kept.items[0], "what": "view"}, headers=FROM_PAGE)
    assert "withdrew consent" in sent.json()["problem"]


@pytest.mark.parametrize(("path", "body"), [("events", {"user": "u", "item": "i", "what": "buy"}), ("cache", {"away": True})])
async def test_buttons_answer_only_to_the_page(demo: Demo, path: str, body: dict[str, object]) -> None:
    answer = await demo.http.post(f"/demo/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_cache_that_the_demo_did_not_start_is_never_offered_nor_touched(demo: Demo) -> None:
    assert "data-cache" not in await screen(demo, "u00001")
    answer = await demo.http.post("/demo/cache", json={"away": True}, headers=FROM_PAGE)
    assert answer.status_code == 400
    assert (await screen(demo, demo.kept.people[2].user_id)).count("rung own") == 1


async def test_an_item_has_a_page_and_a_picture(demo: Demo) -> None:
    item = demo.kept.items[0]
    page = await demo.http.get(f"/demo/items/{item}")
    assert f"Item <code>{item}</code>" in page.text
    assert "Goes with it" in page.text
    picture = await demo.http.get(f"/demo/pictures/{item}.png")
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(PNG)
    assert len(picture.content) < 20_000
    for path in ("items/none", "pictures/none.png", "static/page.html"):
        assert (await demo.http.get(f"/demo/{path}")).status_code == 404


async def test_what_a_visitor_types_is_shown_as_text(demo: Demo) -> None:
    page = await screen(demo, '"><script>alert(1)</script>')
    assert "<script>" not in page


async def test_a_fault_of_the_api_is_shown_as_it_is(demo: Demo) -> None:
    demo.app.state.demo_caller._http.headers["X-Api-Key"] = "mk_api_wrong" if await screen(demo, "u00001") else ""
    page = await screen(demo, "u00001")
    assert "401 unauthorized" in page
    assert shown(page) == []


async def test_links_in_the_mail_lead_to_the_items_own_page(demo: Demo) -> None:
    mail = html.unescape(await screen(demo, demo.kept.people[0].user_id))
    link = re.search(r'href="[^"]*(/c/[^"]+)"', html.unescape(mail))
    assert link is not None
    followed = await demo.http.get(link[1])
    assert followed.status_code == 302
    assert followed.headers["location"].startswith("http://test/demo/items/")


async def test_what_is_kept_is_private_and_read_back(demo: Demo, settings: Settings) -> None:
    path = keeping.folder(settings) / "shop.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keeping.load(settings) == demo.kept


async def test_a_plain_server_knows_nothing_of_the_demo(settings: Settings) -> None:
    app = create_app(settings)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as http:
        for path in ("/demo", "/demo/screen", "/demo/items/x", "/demo/pictures/x.png"):
            assert (await http.get(path)).status_code == 404


async def test_a_plain_server_never_imports_pillow() -> None:
    found = "m.split('.')[0] == 'PIL' or m.startswith('app.demo')"
    code = f"import sys, app.main; app.main.create_app(); sys.exit(any({found} for m in sys.modules))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await process.wait() == 0
