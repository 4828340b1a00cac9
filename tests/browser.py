"""Headless Chromium for tests; they skip by name where it is not installed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def launched(playwright: Playwright) -> Iterator[Browser]:
    """Run a browser until the block ends."""
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(_QUIET))
    try:
        yield browser
    finally:
        browser.close()


@contextmanager
def page(width: int = 700, height: int = 900) -> Iterator[Page]:
    """Open a page; an error of a script on it fails the test."""
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser.new_page(viewport={"width": width, "height": height})
