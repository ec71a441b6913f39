"""The cookies of one session and side (RFC 6265 section 5, of one host)."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Final

from shadow.compare.headers import Cookie
from shadow.endpoints import path_of
from shadow.model import Headers, Response, header, header_values

MAX_COOKIES: Final = 200
"""Of a jar, as browsers bound it; those beyond are not kept."""
_LONG_AGO: Final = 978_307_200.0
"""What has expired in 2000 has, whatever the time is now."""


class Jar:
    """What a side set, and what it took back."""

    def __init__(self) -> None:
        self._set: dict[str, tuple[str, str]] = {}
        """Value and path by name."""
        self._gone: set[str] = set()

    def take(self, response: Response) -> None:
        """Keep what an answer sets; `Max-Age=0` or a past `Expires` takes a cookie back."""
        now = _time(header(response.headers, "date")) or _LONG_AGO
        for text in header_values(response.headers, "set-cookie"):
            cookie = Cookie(text)
            if _is_over(cookie, now):
                self._set.pop(cookie.name, None)
                if len(self._gone) < MAX_COOKIES:
                    self._gone.add(cookie.name)
            elif cookie.name in self._set or len(self._set) < MAX_COOKIES:
                self._set[cookie.name] = (cookie.value, cookie.attributes.get("path", "/"))
                self._gone.discard(cookie.name)

    def __contains__(self, name: str) -> bool:
        """Whether an answer set this cookie, or took it back."""
        return name in self._set or name in self._gone

    def sent(self, headers: Headers, target: str, known: Jar) -> Headers:
        """The header fields with the jar's own cookies in the place of the recorded ones.

        A cookie that was never set here is sent as recorded; one that was taken back is not; one
        that the recorded answers, which `known` took, never set comes last.
        """
        path = path_of(target)
        added = {
            name: value
            for name, (value, scope) in self._set.items()
            if name not in known._set and name not in known._gone and _covers(scope, path)
        }
        found: list[tuple[str, str]] = []
        for name, value in headers:
            if name.lower() != "cookie":
                found.append((name, value))
                continue
            text = self._renewed(value, added)
            if text:
                found.append((name, text))
        if added:
            found.append(("Cookie", "; ".join(f"{name}={value}" for name, value in added.items())))
        return tuple(found)

    def _renewed(self, value: str, added: dict[str, str]) -> str:
        """One Cookie field; what it holds of `added` is no longer to be added."""
        pairs = []
        for pair in value.split(";"):
            name, equals, _ = pair.partition("=")
            key = name.strip()
            added.pop(key, None)
            if key in self._set:
                pairs.append(f"{name}={self._set[key][0]}" if equals else pair)
            elif key not in self._gone:
                pairs.append(pair)
        return ";".join(pairs).strip()


def _is_over(cookie: Cookie, now: float) -> bool:
    """Whether a cookie is taken back, by the answer's own clock."""
    age = cookie.attributes.get("max-age", "")
    if age.lstrip("-").isdigit():
        return age.startswith("-") or not age.strip("0")
    expires = _time(cookie.attributes.get("expires"))
    return expires is not None and expires <= now


def _time(text: str | None) -> float | None:
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _covers(scope: str, path: str) -> bool:
    """Path-match of RFC 6265 section 5.1.4."""
    if not scope.startswith("/"):
        return True
    return path == scope or path.startswith(scope if scope.endswith("/") else scope + "/")
