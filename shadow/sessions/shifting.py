"""Recorded times brought to now, equally for both sides: dates, expiries, signed tokens."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Final

import msgspec

from shadow.model import Request
from shadow.sessions.pieces import replaced
from shadow.sessions.places import Place, rewritten_at
from shadow.sessions.rules import ANY

_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)([Tt ])(\d\d:\d\d:\d\d)(\.\d+)?(Z|z|[+-]\d\d:?\d\d)?"
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_EPOCH: Final = re.compile(r"[0-9]{10}(?:[0-9]{3}){0,3}")
_JWT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)")
_HMACS: Final = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
_CLAIMS: Final = ("exp", "nbf", "iat", "auth_time")


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """A place of requests that holds a time of the recording."""

    endpoint: str = ANY
    place: Place
    key: str | None = None
    """What a JSON Web Token there is signed with (HS256, HS384 or HS512), to sign it anew."""


class Shifts:
    """Moves the times at the places by one distance: from the recording's start to the run's."""

    def __init__(self, shifts: Iterable[Shift], by: timedelta) -> None:
        self._by = timedelta(seconds=round(by.total_seconds()))  # so that fractions stay
        self._places: dict[str, dict[Place, Shift]] = {}
        for shift in shifts:
            self._places.setdefault(shift.endpoint, {})[shift.place] = shift

    def shifted(self, request: Request, endpoint: str) -> Request:
        """The request with its times moved."""
        places = self.at(endpoint)
        if not places:
            return request

        def edit(place: Place, text: str) -> str | None:
            return self.edited(places.get(place), text)

        return rewritten_at(request, places, edit)

    def at(self, endpoint: str) -> dict[Place, Shift]:
        """The places of an endpoint's requests that hold times."""
        return {**self._places.get(ANY, {}), **self._places.get(endpoint, {})}

    def edited(self, shift: Shift | None, text: str) -> str | None:
        """A text with its times moved; None without any."""
        if shift is None:
            return None
        whole = moved(text, self._by)
        return whole or replaced(text, lambda part: self._token(part, shift.key))

    def _token(self, part: str, key: str | None) -> str | None:
        return moved(part, self._by) if key is None else resigned(part, self._by, key)


def moved(text: str, by: timedelta) -> str | None:
    """A time as far from `text` as `by`, spelled like it; None where it is no time.

    RFC 3339 (fraction and offset stay), a date, an HTTP date, seconds to nanoseconds since 1970.
    """
    try:
        if match := _RFC3339.fullmatch(text):
            day, between, clock, fraction, zone = match.groups()
            later = datetime.fromisoformat(f"{day}T{clock}") + by
            return f"{later.date()}{between}{later.time()}{fraction or ''}{zone or ''}"
        if _DATE.fullmatch(text):
            return (date.fromisoformat(text) + by).isoformat()
        if _EPOCH.fullmatch(text):
            unit = 10 ** (len(text) - 10)
            return str(int(text) + int(by.total_seconds()) * unit)
        if text.endswith("GMT"):
            return format_datetime((parsedate_to_datetime(text) + by).astimezone(UTC), usegmt=True)
    except (ValueError, OverflowError):
        return None
    return None


def resigned(token: str, by: timedelta, key: str) -> str | None:
    """A JSON Web Token with its times moved, signed anew (RFC 7515, 7519); None for others."""
    match = _JWT.fullmatch(token)
    try:
        head, claims = (
            (json.loads(_decoded(part)) for part in match.groups()[:2]) if match else ({}, {})
        )
        hashed = _HMACS.get(head["alg"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if match is None or hashed is None or not isinstance(claims, dict):
        return None
    seconds = int(by.total_seconds())
    later: dict[str, Any] = {
        name: value + seconds if name in _CLAIMS and isinstance(value, int | float) else value
        for name, value in claims.items()
    }
    signed = f"{match[1]}.{_encoded(json.dumps(later, separators=(',', ':')).encode())}"
    signature = hmac.new(key.encode(), signed.encode(), hashed).digest()
    return f"{signed}.{_encoded(signature)}"


def _decoded(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
