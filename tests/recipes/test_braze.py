"""Every Liquid template of the Braze page, run by a model of Braze's `connected_content` against a live server."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import sleep

import pytest

from app.commands.context import free_port
from tests.recipes.braze import Aborted, Workspace
from tests.recipes.conftest import Live
from tests.recipes.pages import blocks

TEMPLATES = blocks("braze.md", "liquid")
PERSON = {"user_id": "u1", "campaign": {"dispatch_id": "d-1"}}
STRANGER = {"user_id": "no one & co", "campaign": {"dispatch_id": "d-1"}}
TITLE = re.compile(r"Item \d+")


def workspace(live: Live) -> Workspace:
    return Workspace(
        basic_auth={"morsel": (live.key, ""), "morsel_oauth": (live.client_id, live.client_secret)},
        auth_credentials={"morsel_header": {"X-Api-Key": live.key}},
    )


async def test_every_template_of_the_page_shows_a_person_their_items(live: Live) -> None:
    """One server for all templates: starting it costs more than all of them."""
    assert len(TEMPLATES) == 9
    for title, template in TEMPLATES.items():
        braze = workspace(live)
        text = braze.render(live.filled(template), PERSON)
        assert [status for _, status in braze.calls] == [200] * len(braze.calls), title
        shown = re.findall(r"\bi\d+\b", text) if title.startswith("By POST") else TITLE.findall(text)
        least = {"A soft fallback": 1, "By POST as a form": 2, "By POST": 3, "Items as JSON": 3}.get(title, 6)
        assert len(set(shown)) == least, (title, text)
        numbers = {int(re.sub(r"\D", "", one)) % 4 for one in shown}
        assert numbers == {1}, f"{title}: not the taste of this person: {text}"

    _a_stranger_gets_popular_items_and_can_be_left_out(live)
    _one_dispatch_shows_one_answer(live)
    _the_cache_is_by_address(live)
    _a_wrong_key_renders_the_fallback(live)
    _a_hostile_id_stays_one_parameter(live)


def _a_stranger_gets_popular_items_and_can_be_left_out(live: Live) -> None:
    assert len(set(TITLE.findall(workspace(live).render(live.filled(TEMPLATES["Items as JSON"]), STRANGER)))) == 3
    with pytest.raises(Aborted, match="nothing personal"):
        workspace(live).render(live.filled(TEMPLATES["Only when it is personal"]), STRANGER)


def _one_dispatch_shows_one_answer(live: Live) -> None:
    """HTML, text and AMP are rendered apart, and the pin must hold when Braze's cache does not."""
    as_json, as_html = TEMPLATES["Items as JSON"].replace("&limit=3", "&limit=6"), TEMPLATES["A finished HTML block"]
    by_json = workspace(live).render(live.filled(as_json), PERSON)
    by_html = workspace(live).render(live.filled(as_html), PERSON)
    again = workspace(live).render(live.filled(as_html), PERSON)
    assert list(dict.fromkeys(TITLE.findall(by_json))) == list(dict.fromkeys(TITLE.findall(by_html)))
    assert list(dict.fromkeys(TITLE.findall(again))) == list(dict.fromkeys(TITLE.findall(by_html)))


def _the_cache_is_by_address(live: Live) -> None:
    braze = workspace(live)
    template = live.filled(TEMPLATES["Items as JSON"])
    first = braze.render(template, PERSON)
    assert braze.render(template, PERSON) == first
    assert len(braze.calls) == 1
    braze.render(template, {**PERSON, "user_id": "u2"})
    assert len(braze.calls) == 2
    by_post = live.filled(TEMPLATES["By POST"])
    braze.render(by_post, PERSON)
    braze.render(by_post, PERSON)
    assert len(braze.calls) == 4


def _a_wrong_key_renders_the_fallback(live: Live) -> None:
    wrong = Live(live.address, "mk_wrong", live.client_id, live.client_secret)
    braze = workspace(wrong)
    text = braze.render(wrong.filled(TEMPLATES["Items as JSON"]), PERSON)
    assert braze.calls[0][1] == 401
    assert "Our bestsellers" in text
    assert braze.render(wrong.filled(TEMPLATES["A finished HTML block"]), PERSON).strip() == ""
    with pytest.raises(Aborted, match="no answer"):
        braze.render(wrong.filled(TEMPLATES["Only when it is personal"]), PERSON)
    assert "our bestsellers" in braze.render(wrong.filled(TEMPLATES["A soft fallback"]), PERSON)


def _a_hostile_id_stays_one_parameter(live: Live) -> None:
    braze = workspace(live)
    hostile = {**PERSON, "user_id": "u1&placement=nowhere&limit=50#x :save other"}
    text = braze.render(live.filled(TEMPLATES["Items as JSON"]), hostile)
    assert len(set(TITLE.findall(text))) == 3
    assert braze.calls[0][1] == 200


async def test_with_no_server_the_page_shows_its_fallback_or_drops_the_message() -> None:
    gone = Live(f"http://127.0.0.1:{free_port()}", "mk_any", "mc_any", "any")
    braze = workspace(gone)
    assert "Our bestsellers" in braze.render(gone.filled(TEMPLATES["Items as JSON"]), PERSON)
    assert "our bestsellers" in braze.render(gone.filled(TEMPLATES["A soft fallback"]), PERSON)
    assert braze.render(gone.filled(TEMPLATES["A finished HTML block"]), PERSON).strip() == ""
    with pytest.raises(Aborted, match="no answer"):
        braze.render(gone.filled(TEMPLATES["Only when it is personal"]), PERSON)
    retrying = gone.filled(TEMPLATES["A soft fallback"]).replace(":save hero", ":save hero :retry")
    with pytest.raises(Aborted, match="retries"):
        braze.render(retrying, PERSON)


@contextmanager
def server(status: int, body: bytes, *, location: str = "", pause_s: float = 0.0) -> Iterator[str]:
    """Serve one fixed answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sleep(pause_s)
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        http.server_close()


def test_the_model_follows_no_redirect_waits_no_longer_than_its_time_out_and_marks_only_objects() -> None:
    template = "{% connected_content URL/a :save got %}[{{ got.has_items }} {{ got.__http_status_code__ }}]"
    braze = Workspace(time_out_s=0.2)
    good = json.dumps({"has_items": True}).encode()
    with server(200, good) as fine, server(307, b"", location=fine) as away, server(200, good, pause_s=0.6) as slow:
        assert braze.render(template.replace("URL", fine), {}) == "[true 200]"
        assert braze.render(template.replace("URL", away), {}) == "[ ]"
        assert braze.render(template.replace("URL", slow), {}) == "[ ]"
    with server(200, b"[1]") as array:
        assert braze.render(template.replace("URL", array), {}) == "[ ]"
