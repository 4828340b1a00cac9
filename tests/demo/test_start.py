"""`morsel demo` as a newcomer runs it: ready, told how to call, looked at in a browser, stopped, and started again."""

import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from app.commands.context import free_port
from tests.browser import page as browser_page
from tests.conftest import needs
from tests.demo.starting import Started, started

SCALE = "0.005"
KEYS = {"dashboard_url", "dashboard_login",
    "base_url", "client_id", "client_secret", "api_key", "write_key", "website_key", "admin_token", "placements", "users", "items",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[Started]:
    with started(folder, scale=SCALE) as running:
        yield running


def test_the_file_says_all_that_a_caller_needs_to_its_owner_alone(demo: Started) -> None:
    path = demo.folder / ".morsel" / "demo.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(demo.ready) == KEYS
    assert demo.ready["placements"] == ["email-hero", "email-grid", "pdp-similar", "cart-complement", "home-popular"]
    assert len(demo.ready["users"]) == 20
    assert len(demo.ready["items"]) == 20


def test_a_second_start_from_the_same_folder_leaves_the_first_alone(demo: Started) -> None:
    path = demo.folder / ".morsel" / "demo.json"
    before = path.read_bytes()
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MORSEL_")} | {"PORT": str(free_port())}
    command = [sys.executable, "-m", "app.cli", "demo"]
    second = subprocess.run(command, cwd=demo.folder, env=variables, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert f"a demo runs already from {demo.folder / '.morsel'} and is served at {demo.ready['base_url']}/demo" in second.stderr
    assert "MORSEL_DATA_DIR=.morsel2 PORT=8001 make demo" in second.stderr
    assert path.read_bytes() == before


def test_the_printed_curl_line_works_as_it_stands(demo: Started) -> None:
    for _ in range(100):
        if "curl" in demo.printed():
            break
        time.sleep(0.05)
    line = re.search(r"curl -H 'X-Api-Key: (\S+)' '(\S+)'", demo.printed())
    assert line is not None
    answer = httpx2.get(line[2], headers={"X-Api-Key": line[1]}).json()
    assert answer["source"] in ("live", "cached")
    assert answer["item_count"] == 6


def test_every_credential_opens_what_it_is_for(demo: Started) -> None:
    ready = demo.ready
    with httpx2.Client(base_url=ready["base_url"]) as http:
        login = (ready["client_id"], ready["client_secret"])
        token = http.post("/oauth/token", auth=login, data={"grant_type": "client_credentials"}).json()
        assert set(token["scope"].split()) == {"recommend", "events", "catalog"}
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        assert http.get("/v1/snippets/email-hero", params={"user_id": ready["users"][0]}, headers=bearer).status_code == 200
        assert http.get(f"/v1/items/{ready['items'][0]}", headers=bearer).status_code == 200
        batch = {"batch": [{"type": "track", "event": "Product Viewed", "userId": "u1", "properties": {"product_id": ready["items"][0]}}]}
        assert http.post("/v1/batch", json=batch, headers={"X-Api-Key": ready["write_key"]}).json()["accepted"] == 1
        site = {"Origin": ready["base_url"], "X-Api-Key": ready["website_key"]}
        assert http.get("/v1/recommendations", params={"placement": "home-popular"}, headers=site).status_code == 200
        assert http.get("/v1/recommendations", headers={**site, "Origin": "https://elsewhere.example"}).status_code == 403
        admin = {"Authorization": f"Bearer {ready['admin_token']}"}
        assert http.get("/v1/admin/placements", headers=admin).status_code == 200


@needs("chromium")
@pytest.mark.system
def test_the_page_switches_people_and_survives_the_loss_of_the_cache(demo: Started) -> None:
    with browser_page(1280, 840) as page:
        failures: list[str] = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(f"{demo.ready['base_url']}/demo")
        name, first = page.inner_text("h1"), page.inner_text(".items")
        page.click("[data-step='1']")
        page.wait_for_function("name => document.querySelector('h1').innerText !== name", arg=name)
        assert page.inner_text(".items") != first
        assert page.locator("iframe").count() == 1
        assert page.frames[1].locator("img").count() == 7

        page.click("[data-cache=away]")
        page.wait_for_selector("[data-cache=back]")
        page.click("[data-step='1']")
        page.wait_for_function("() => !document.querySelector('.busy')")
        assert page.inner_text(".rung") == "live"
        bought = page.get_attribute(".items li:nth-child(2) [data-event=buy]", "data-item")
        page.click(".items li:nth-child(2) [data-event=buy]")
        page.wait_for_selector("#notice:has-text('changed the answer')", timeout=15_000)
        assert page.locator(f".items [data-item='{bought}']").count() == 0
        page.click("[data-cache=back]")
        page.wait_for_selector("[data-cache=away]")

        for scheme, ground in (("light", "rgb(245, 243, 239)"), ("dark", "rgb(20, 22, 26)")):
            page.set_viewport_size({"width": 390, "height": 840})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert page.evaluate("[document.documentElement.scrollWidth, getComputedStyle(document.body).backgroundColor]") == [390, ground]
            assert page.frames[1].evaluate("document.documentElement.scrollWidth - innerWidth") == 0, "the letter fits a phone"

        page.fill("#anyone", "nobody at all")
        page.click("text=Show")
        page.wait_for_selector("text=nobody is known by this id")
        assert failures == []


def test_a_second_start_keeps_shop_and_credentials_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with started(tmp_path, scale=SCALE) as first:
        told = first.printed()
    with started(tmp_path, scale=SCALE) as second:
        assert "events of" in told
        assert "events of" not in second.printed()
        assert "models trained" not in second.printed()
        for name in ("client_id", "client_secret", "api_key", "write_key", "users", "items"):
            assert second.ready[name] == first.ready[name]
        # another port is another origin, so the website's key is a new one; links lead to the new address
        assert second.ready["website_key"] != first.ready["website_key"]
        asked = {"placement": "email-grid", "user_id": second.ready["users"][0]}
        answer = httpx2.get(
            f"{second.ready['base_url']}/v1/recommendations", params=asked, headers={"X-Api-Key": second.ready["api_key"]}
        ).json()
        assert all(item["image_url"].startswith(second.ready["base_url"]) for item in answer["items"])
    assert [p.pid for p in psutil.process_iter() if str(tmp_path) in " ".join(_command(p))] == []


def test_a_taken_port_is_told_before_any_work_is_done(demo: Started, tmp_path: Path) -> None:
    port = demo.ready["base_url"].rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "demo", "--port", port], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "cannot listen" in done.stderr
    assert not (tmp_path / ".morsel" / "postgresql").exists()


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
