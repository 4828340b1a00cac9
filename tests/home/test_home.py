"""The first page and the documentation, in a browser that reaches nothing but this server."""

import threading
from collections.abc import Iterator

import pytest
import uvicorn

from app.commands.context import free_port
from app.core.settings import Settings
from app.main import create_app
from tests.browser import page
from tests.conftest import needs


@pytest.fixture
def address(settings: Settings) -> Iterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.mark.system
@needs("chromium")
def test_the_first_page_leads_on_and_the_documentation_needs_no_internet(address: str) -> None:
    with page() as opened:
        strangers: list[str] = []
        faults: list[str] = []
        opened.on("request", lambda request: strangers.append(request.url) if not request.url.startswith((address, "data:")) else None)
        opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: faults.append(str(error)))
        opened.goto(address)
        opened.get_by_role("link", name="The API, to read and to try").click()
        opened.locator(".opblock-summary-path", has_text="/v1/recommendations").first.wait_for()
        assert opened.url == f"{address}/docs"
        assert strangers == []
        assert faults == []
