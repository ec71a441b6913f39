"""The live page of a sidecar: what a person watches while traffic moves.

It has the style, the findings and the rows of the HTML report. Everything in it is of unknown
origin: the data travels as JSON that holds no `<`, the script puts it into the page as text
only, and the Content-Security-Policy, sent as a header, admits this one style and this one
script, by their hashes, and requests to the page's own origin.
"""

from __future__ import annotations

from typing import Final

import msgspec

from shadow import __version__
from shadow.reports.live.data import polled
from shadow.reports.live.view import Live
from shadow.reports.page.document import Document, embedded_json

_HERE: Final = "shadow.reports.live"
_PAGE: Final = "shadow.reports.page"
_STYLES: Final = ((_PAGE, "shared.css"), (_HERE, "live.css"))
_MARK: Final = "{data}"
"""Where the data of a moment goes; the template's own text does not hold it."""


class LivePage:
    """The page and its log-in, laid out once: to show a moment costs no template."""

    def __init__(self) -> None:
        scripts = ((_PAGE, "shared.js"), (_HERE, "live.js"))
        page = Document((_HERE, "live.html"), styles=_STYLES, scripts=scripts)
        login = Document((_HERE, "login.html"), styles=_STYLES)
        text = page.render(version=__version__, data=_MARK)
        self._before, _, self._after = text.partition(f'id="data">{_MARK}')
        self._logins = {wrong: login.render(wrong=wrong) for wrong in (False, True)}
        self.policy = _policy(page, "connect-src 'self'; form-action 'none'")
        """The Content-Security-Policy of the page."""
        self.login_policy = _policy(login, "form-action 'self'")

    def html(self, live: Live) -> str:
        """Return the page as it is now."""
        return f'{self._before}id="data">{embedded_json(polled(live))}{self._after}'

    def login(self, *, wrong: bool = False) -> str:
        """Return the log-in form, which may say that the token was wrong."""
        return self._logins[wrong]


def live_json(live: Live) -> bytes:
    """Return what the page polls."""
    return msgspec.json.encode(polled(live))


def _policy(document: Document, more: str) -> str:
    rules = [
        "default-src 'none'",
        f"style-src '{document.style_hash}'",
        f"script-src '{document.script_hash}'" if document.script else "script-src 'none'",
        more,
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
    return "; ".join(rules)
