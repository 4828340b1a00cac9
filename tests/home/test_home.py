"""The first page and the documentation, in a browser that reaches nothing but this server."""

import html
import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, sync_playwright

from app.commands.context import free_port
from app.core.settings import Settings
from app.home import reference
from app.main import create_app
from tests.browser import launched
from tests.conftest import needs

METHODS = ("get", "post", "put", "patch", "delete", "head")


@pytest.fixture
def served(settings: Settings) -> FastAPI:
    return create_app(settings)


@pytest.fixture
def address(served: FastAPI) -> Iterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(served, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture
def chromium(address: str) -> Iterator[Browser]:
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


def opened(chromium: Browser, address: str, **how: Any) -> tuple[Page, list[str]]:
    """Return a page, and the list into which whatever goes wrong on it, or is asked of others, is written."""
    wrong: list[str] = []
    page = chromium.new_context(viewport={"width": how.pop("width", 1280), "height": 900}, **how).new_page()
    page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith(address) else None)
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    return page, wrong


def test_every_route_stands_on_the_page_with_its_parameters_shapes_and_codes(served: FastAPI, address: str) -> None:
    answer = httpx.get(f"{address}/docs", timeout=60)
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < 100_000
    plain = httpx.get(f"{address}/docs", headers={"Accept-Encoding": "identity"}, timeout=60)
    assert plain.text == answer.text
    document, page = served.openapi(), html.unescape(answer.text)
    for path, methods in document["paths"].items():
        for method in (one for one in METHODS if one in methods):
            entry = page.partition(f'data-find="{method} {path.lower()} ')[2].partition("</details>")[0]
            assert f">{method.upper()}</b> <code>{path}</code>" in entry
            for parameter in methods[method].get("parameters", ()):
                assert f"<code>{parameter['name']}</code>" in entry, (path, method)
            for status in methods[method]["responses"]:
                assert f">{status}</span>" in entry, (path, method)
    for name in document["components"]["schemas"]:
        assert f'id="shape-{name}"' in page
    links = set(re.findall(r'href="#([^"]+)"', answer.text))
    assert links <= set(re.findall(r' id="([^"]+)"', answer.text))
    delete = page.partition('data-find="delete /v1/admin/segments/{name} ')[2].partition("</details>")[0]
    assert "<code>conflict</code>" in delete
    assert "<code>rollback</code> brings it back" in delete
    assert '-H "X-Api-Key: $KEY"' in delete


def test_the_pages_run_nothing_but_their_own_files(address: str) -> None:
    for path in ("/", "/docs"):
        answer = httpx.get(address + path, timeout=60)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "data:" not in policy
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?! src=)", answer.text)
        assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", answer.text)
    assert httpx.get(f"{address}/docs/nothing.js").status_code == 404
    style = httpx.get(f"{address}/docs/home.css")
    assert "--accent: " in style.text
    assert not re.search(r"url\(|@import", style.text)


def test_what_is_described_is_escaped_and_examples_have_what_is_needed() -> None:
    schemas = {
        "In": {
            "type": "object", "required": ["a", "b", "c"],
            "properties": {
                "a": {"type": "string"}, "b": {"$ref": "#/components/schemas/Sort"},
                "c": {"type": "array", "items": {"$ref": "#/components/schemas/Inner"}},
                "d": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": 4, "description": "It's d."},
            },
        },
        "Inner": {"type": "object", "required": ["own"], "properties": {"own": {"$ref": "#/components/schemas/In"}}},
        "Sort": {"type": "string", "enum": ["up", "down"]},
    }  # fmt: skip
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/In"}}}}
    told = {"tags": ["things"], "requestBody": body, "responses": {"200": {}}, "security": [{}]}
    document = {"paths": {"/things/{id}": {"put": told}}, "components": {"schemas": schemas}}
    (one,) = reference.operations(document)["things"]
    assert one.curl.splitlines()[0] == 'curl -X PUT "$MORSEL/things/$id" \\'
    assert '{"a": "...", "b": "up", "c": [{"own": {"a": "...", "b": "up", "c": []}}]}' in one.curl
    fields = {field.name: field for field in reference.shapes(document)[0].fields}
    assert (fields["a"].needed, fields["d"].default, fields["d"].about) == (True, "4", "It's d.")
    assert fields["c"].type == [("list of ", ""), ("Inner", "Inner")]
    assert fields["d"].type == [("integer", ""), (" | ", ""), ("null", "")]


@pytest.mark.system
@needs("chromium")
def test_the_first_page_leads_on_and_routes_are_found_by_words_and_by_address(chromium: Browser, address: str) -> None:
    page, wrong = opened(chromium, address)
    page.goto(address)
    page.get_by_role("link", name="The API, to read").click()
    assert page.url == f"{address}/docs"
    page.get_by_label("Find a route").fill("segments dry-run")
    shown = page.locator("details.card:visible summary")
    assert shown.count() == 1
    assert "/v1/admin/segments/{name}/dry-run" in shown.inner_text()
    assert page.get_by_role("status").inner_text() == "1 found"
    shown.press("Enter")
    page.get_by_text("Needs a key or token.").locator("visible=true").wait_for()
    page.locator("a[href='#shape-EstimateIn']:visible").first.click()
    page.locator("#shape-EstimateIn").wait_for(state="visible")
    page.goto(f"{address}/docs#get-v1-recommendations")
    page.reload()
    page.locator("#get-v1-recommendations").get_by_text("Where the content is shown.").wait_for()
    assert wrong == []
    page.context.close()


@pytest.mark.system
@needs("chromium")
def test_without_scripts_everything_is_there(chromium: Browser, address: str) -> None:
    page, wrong = opened(chromium, address, java_script_enabled=False)
    page.goto(f"{address}/docs")
    assert page.locator("[data-search]").is_hidden()
    page.locator("summary", has_text="/v1/admin/segments/estimate").click()
    page.locator("#post-v1-admin-segments-estimate").wait_for(state="visible")
    assert wrong == []
    page.context.close()


@pytest.mark.system
@needs("chromium")
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
def test_the_pages_are_accessible_and_stay_in_their_place(chromium: Browser, address: str, scheme: str, width: int) -> None:
    page, wrong = opened(chromium, address, color_scheme=scheme, width=width)
    for path in ("/", "/docs"):
        page.goto(address + path)
        for entry in ("put-v1-admin-placements-_name_", "shape-PlacementIn"):
            page.evaluate("name => document.getElementById(name)?.closest('details').setAttribute('open', '')", entry)
        result = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]})
        assert [one["id"] for one in result.response["violations"] if one["impact"] in ("serious", "critical")] == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert wrong == []
    page.context.close()
