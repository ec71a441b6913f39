"""Why a recorded success was probably not repeated, and what mends it."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from shadow.model import Request
from shadow.secret_names import is_secret_header

Cause = Literal["expired-token", "no-token", "missing-id", "state", "failing"]


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """A cause in words, and what is to be done about it."""

    text: str
    advice: str


REMEDIES: Final[dict[Cause, Remedy]] = {
    "expired-token": Remedy(
        text="a token or cookie of the recording is no longer valid",
        advice="let each side log in for itself: shadow sessions learn CAPTURE --append; or give"
        " credentials: headers or auth under [targets.*]",
    ),
    "no-token": Remedy(
        text="the recording holds no credentials",
        advice="give each side its own: headers or auth under [targets.*] in shadow.toml",
    ),
    "missing-id": Remedy(
        text="an id of the recording does not exist here",
        advice="send each side the ids that it made: shadow sessions learn CAPTURE --append, and"
        " replay with --allow-writes; or load the recording's data",
    ),
    "state": Remedy(
        text="the data is not as it was when recorded",
        advice="put it back before each run: reset under [targets.*.hooks] in shadow.toml",
    ),
    "failing": Remedy(
        text="the baseline fails",
        advice="see its log, and whether what it depends on is up",
    ),
}


def carries_credentials(request: Request) -> bool:
    """Whether a header of the request says who asks."""
    return any(is_secret_header(name.lower()) for name, _ in request.headers)


def cause_of(request: Request, endpoint: str, status: int) -> Cause:
    """The likely cause, from what the request carries and what the baseline answers to it now."""
    if status in (401, 403):
        return "expired-token" if carries_credentials(request) else "no-token"
    if status == 409:
        return "state"
    if status >= 500:
        return "failing"
    return "missing-id" if "{" in endpoint else "state"
