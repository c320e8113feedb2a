"""What `utp up --open` opens, and where it does not."""

from __future__ import annotations

import webbrowser

import pytest

from utp.entrypoints.browser import open_page


class Window(webbrowser.BaseBrowser):
    def __init__(self) -> None:
        super().__init__("window")
        self.opened: list[str] = []

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        self.opened.append(url)
        return True


def test_page_opens_in_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    window = Window()
    monkeypatch.setattr(webbrowser, "get", lambda: window)
    assert open_page("http://localhost:8000")
    assert window.opened == ["http://localhost:8000"]


def test_machine_without_a_browser_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> webbrowser.BaseBrowser:
        raise webbrowser.Error

    monkeypatch.setattr(webbrowser, "get", nowhere)
    assert not open_page("http://localhost:8000")


def test_browser_for_terminals_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser("lynx"))
    assert not open_page("http://localhost:8000")
