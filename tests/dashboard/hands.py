"""Somebody at a page: with a mouse, or with the keyboard alone, which reaches everything by Tab."""

from typing import Literal

from playwright.sync_api import Page

How = Literal["mouse", "keys"]
_MOST_TABS = 400
_WHERE = "one => one === document.activeElement ? 'there' : document.activeElement?.closest('.editor') ? 'editor' : ''"


class Hands:
    """Does what a person does: press, write, choose, tick."""

    def __init__(self, page: Page, how: How) -> None:
        self.page, self._how = page, how

    def press(self, selector: str) -> None:
        """Press a button, or follow a link."""
        if self._how == "mouse":
            self.page.click(selector)
        else:
            self._reach(selector)
            self.page.keyboard.press("Enter")

    def write(self, selector: str, text: str) -> None:
        """Write into a field, over what stands there."""
        if self._how == "mouse":
            self.page.fill(selector, text)
            return
        self._reach(selector)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.press("Delete")
        self.page.keyboard.type(text)

    def choose(self, selector: str, value: str) -> None:
        """Choose from a list."""
        if self._how == "mouse":
            self.page.select_option(selector, value)
            return
        self._reach(selector)
        options = self.page.locator(f"{selector} option").evaluate_all("all => all.map(one => one.value)")
        self.page.keyboard.press("Home")
        for _ in range(options.index(value)):
            self.page.keyboard.press("ArrowDown")
        assert self.page.input_value(selector) == value

    def tick(self, selector: str) -> None:
        """Tick a box."""
        if self._how == "mouse":
            self.page.check(selector)
        else:
            self._reach(selector)
            self.page.keyboard.press("Space")
        assert self.page.is_checked(selector)

    def hand_in(self, selector: str, name: str, body: bytes) -> None:
        """Give a file to a field."""
        with self.page.expect_file_chooser() as asked:
            if self._how == "mouse":
                self.page.click(selector)
            else:
                self._reach(selector)
                self.page.keyboard.press("Space")
        asked.value.set_files({"name": name, "mimeType": "text/csv", "buffer": body})

    def _reach(self, selector: str) -> None:
        wanted = self.page.locator(selector).first
        wanted.wait_for()
        for _ in range(_MOST_TABS):
            where = wanted.evaluate(_WHERE)
            if where == "there":
                return
            # Escape lets Tab leave an editor
            if where == "editor":
                self.page.keyboard.press("Escape")
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach {selector}")
