"""A browser on this machine, where there is one that somebody sees."""

from __future__ import annotations

import webbrowser


def open_page(url: str) -> bool:
    """Open an address in a window; False without a display, or where only a browser for terminals is there."""
    try:
        browser = webbrowser.get()  # looks for windows only where there is a display
    except webbrowser.Error:
        return False
    if type(browser) is webbrowser.GenericBrowser:  # one that would take this terminal
        return False
    return browser.open(url)
