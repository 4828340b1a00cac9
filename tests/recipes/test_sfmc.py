"""Every AMPscript template of the Marketing Cloud page, run by a model of the language (not Marketing Cloud) against a live server."""

import re

import httpx2
import pytest

from app.commands.context import free_port
from tests.recipes.ampscript import Account, Skipped, Stopped
from tests.recipes.conftest import Live
from tests.recipes.pages import blocks

TEMPLATES = blocks("sfmc.md", "ampscript")
SUBSCRIBER = {"CustomerId": "u1", "jobid": "7"}
TITLE = re.compile(r"Item \d+")


async def test_every_template_of_the_page_shows_a_person_their_items(live: Live) -> None:
    """One server for all templates: starting it costs more than all of them."""
    assert len(TEMPLATES) == 5
    for title, template in TEMPLATES.items():
        text = Account().render(live.filled(template), SUBSCRIBER)
        names = set(TITLE.findall(text))
        assert len(names) == {"Items as JSON": 3, "With the key in a header": 3}.get(title, 6), (title, text)
        assert "%%" not in text, title
        if title != "Once per send":
            assert {int(name[5:]) % 4 for name in names} == {1}, f"{title}: not the taste of this person"

    _accounts_of_both_charsets_read_the_same(live)
    _the_link_leads_to_the_item(live)
    _a_hostile_id_stays_one_parameter(live)
    _one_address_is_called_once_in_a_send(live)
    _nothing_to_show_skips_the_subscriber(live)
    _a_wrong_key_gives_the_fallback(live)
    _the_ssjs_uses_what_exists(live)


def _accounts_of_both_charsets_read_the_same(live: Live) -> None:
    for title in ("Items as JSON", "A finished HTML block"):
        subscriber = {**SUBSCRIBER, "jobid": f"c-{title}"}
        read = [Account(charset).render(live.filled(TEMPLATES[title]), subscriber) for charset in ("cp1252", "utf-8")]
        # links carry the second in which they were made
        assert len({re.sub(r"/c/[\w-]+/", "/c/", text) for text in read}) == 1


def _the_link_leads_to_the_item(live: Live) -> None:
    text = Account().render(live.filled(TEMPLATES["Items as JSON"]), SUBSCRIBER)
    links = re.findall(r'href="([^"]+)"', text)
    assert len(links) == 6
    answer = httpx2.head(links[0], params={"utm_source": "sfmc"}, follow_redirects=False)
    assert answer.status_code == 302
    assert re.fullmatch(r"https://shop\.example/i\d+\?utm_source=sfmc", answer.headers["location"])


def _a_hostile_id_stays_one_parameter(live: Live) -> None:
    for title in ("Items as JSON", "With the key in a header"):
        hostile = {**SUBSCRIBER, "CustomerId": 'u1&placement=nowhere&limit=50#"%%[x]%%'}
        assert len(set(TITLE.findall(Account().render(live.filled(TEMPLATES[title]), hostile)))) == 3


def _one_address_is_called_once_in_a_send(live: Live) -> None:
    account = Account()
    for person in ("u1", "u2", "u1"):
        account.render(live.filled(TEMPLATES["A finished HTML block"]), {**SUBSCRIBER, "CustomerId": person})
        account.render(live.filled(TEMPLATES["Once per send"]), {**SUBSCRIBER, "CustomerId": person})
    assert len(account.calls) == 3, "two people, and what is shared"


def _nothing_to_show_skips_the_subscriber(live: Live) -> None:
    template = live.filled(TEMPLATES["Skip the subscriber when there is nothing"])
    nothing = template.replace("empty=blank", "empty=blank&category=Nothing")
    with pytest.raises(Skipped):
        Account().render(nothing, SUBSCRIBER)


def _a_wrong_key_gives_the_fallback(live: Live) -> None:
    wrong = Live(live.address, "mk_wrong", live.client_id, live.client_secret)
    for title in ("Items as JSON", "A finished HTML block"):
        assert "Our bestsellers" in Account().render(wrong.filled(TEMPLATES[title]), SUBSCRIBER)
    assert Account().render(wrong.filled(TEMPLATES["With the key in a header"]), SUBSCRIBER).strip() == ""
    other = live.filled(TEMPLATES["Items as JSON"]).replace("placement=email-grid", "placement=home-popular")
    assert "Our bestsellers" in Account().render(other, SUBSCRIBER), "the key is bound to other placements"


def _the_ssjs_uses_what_exists(live: Live) -> None:
    """No SSJS engine runs here: its address, header and names are checked."""
    script = live.filled(blocks("sfmc.md", "javascript")["With SSJS"])
    address = re.search(r'var url = "([^"]+)"', script)
    header = re.search(r'HTTP\.Get\(url, \["([^"]+)"\], \["([^"]+)"\]\)', script)
    assert address
    assert header
    answer = httpx2.get(address[1] + "u1", headers={header[1]: header[2]}).json()
    names = re.findall(r"picks\.items\[i\]\.(\w+)", script)
    assert names
    assert set(names) <= set(answer["items"][0])


async def test_with_no_server_the_page_shows_its_fallback() -> None:
    gone = Live(f"http://127.0.0.1:{free_port()}", "mk_any", "mc_any", "any")
    for title in ("Items as JSON", "A finished HTML block"):
        assert "Our bestsellers" in Account().render(gone.filled(TEMPLATES[title]), SUBSCRIBER)
    assert Account().render(gone.filled(TEMPLATES["With the key in a header"]), SUBSCRIBER).strip() == ""
    with pytest.raises(Stopped):
        Account().render(gone.filled(TEMPLATES["Once per send"]), SUBSCRIBER)


def test_the_model_stops_where_marketing_cloud_would() -> None:
    with pytest.raises(Stopped, match="no headers"):
        Account().render('%%=HTTPGet("http://a", true, 0, @s, "X", "y")=%%', {})
    with pytest.raises(Stopped, match="no JSON"):
        Account().render('%%=RowCount(BuildRowsetFromJSON("", "$.items[*]", 0))=%%', {})
    rows = """%%[ SET @r = Row(BuildRowsetFromJSON('{"items":[{"A":100.0,"b":[1]}]}', "$.items[*]", 1), 1) ]%%"""
    assert Account().render(rows + '%%=v(Field(@r, "a", 0))=%%,%%=v(Field(@r, "B", 0))=%%,%%=v(Field(@r, "c", 0))=%%', {}) == "100,,"
    with pytest.raises(Stopped, match="no c"):
        Account().render(rows + '%%=v(Field(@r, "c"))=%%', {})
