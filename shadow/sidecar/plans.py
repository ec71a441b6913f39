"""What a sidecar goes by: everything the commands and shadow.toml say, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from shadow.captures.redact import Redaction
from shadow.compare.noise import NoiseProfile
from shadow.endpoints import Endpoints
from shadow.errors import ConfigError
from shadow.judge import Policy
from shadow.masking import NOTHING_MORE, Hidden
from shadow.model import Headers
from shadow.results.runs import RunInfo
from shadow.rollout.gating import GatePlan
from shadow.sending.limits import Limits
from shadow.sending.safety import Safety
from shadow.sending.target import Target
from shadow.sending.webhook import Webhook
from shadow.sidecar.canary.guards import GuardPolicy
from shadow.sidecar.mirroring.mirror import MirrorOptions
from shadow.sidecar.mirroring.window import Room
from shadow.sidecar.server.limits import ServerLimits

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A name of a field or a cookie (RFC 9110 section 5.6.2, RFC 6265 section 4.1.1)."""
Address = tuple[str, int]
"""Host and port to listen on."""


class SessionKey(msgspec.Struct, frozen=True, kw_only=True):
    """What tells the sessions of clients apart: a cookie, or a header field."""

    where: Literal["cookie", "header"]
    name: str

    def of(self, headers: Headers) -> str:
        """Return the key that a request carries, or an empty text."""
        wanted = "cookie" if self.where == "cookie" else self.name
        for name, value in headers:
            if len(name) == len(wanted) and name.lower() == wanted:
                if self.where == "header":
                    return value
                for pair in value.split(";"):
                    key, _, text = pair.strip().partition("=")
                    if key == self.name:
                        return text
        return ""


def parse_session(text: str) -> SessionKey:
    """Read `cookie:sid` or `header:X-User`. Raises ConfigError."""
    where, colon, name = text.partition(":")
    if not colon or not _TOKEN.fullmatch(name) or where not in ("cookie", "header"):
        raise ConfigError(
            f"--session {text}: is not cookie:NAME or header:NAME",
            "--session cookie:sid takes the value of that cookie",
        )
    return SessionKey(
        where="cookie" if where == "cookie" else "header",
        name=name if where == "cookie" else name.lower(),
    )


class AdminPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The admin port."""

    address: Address
    token: str
    hosts: tuple[str, ...] = ()
    """Names that lead to it, besides localhost."""

    def __repr__(self) -> str:
        return f"AdminPlan({self.address})"


class SidecarPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What `shadow proxy` and `shadow sink` have in common."""

    listen: Address
    status: Address | None
    """The read-only port."""
    admin: AdminPlan | None
    baseline: Target
    candidate: Target
    secondary: Target | None = None
    """A second instance of the baseline, to learn noise from."""
    noise_twice: bool = False
    """Learn noise by asking the baseline itself twice now and then."""
    limits: Limits
    server: ServerLimits = ServerLimits()
    mirror: MirrorOptions
    endpoints: Endpoints
    safety: Safety
    policy: Policy
    profile: NoiseProfile | None = None
    guards: GuardPolicy
    version: str = ""
    """Of the candidate: with another one the guards' evidence begins anew."""
    flags: str | None = None
    """The file of flags."""
    session: SessionKey | None = None
    sample: float = 1.0
    """Share of the exchanges that are compared, whatever the flags say."""
    info: RunInfo
    store: str
    events: str | None = None
    no_values: bool = False
    hidden: Hidden = NOTHING_MORE
    """What is masked besides credentials."""
    room: Room
    keep_windows: int = 48
    gates: Mapping[str, GatePlan] = {}
    webhook: Webhook | None = None
    traces: bool = False
    drain_s: float = 25.0
    """That requests in flight may take after SIGTERM."""


class RecordPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What `shadow record` goes by."""

    listen: Address
    status: Address | None
    upstream: Target
    limits: Limits
    server: ServerLimits = ServerLimits()
    out: str
    rotate_bytes: int | None = None
    rotate_s: float | None = None
    keep_files: int | None = None
    recipients: tuple[str, ...] = ()
    """For whom it is encrypted."""
    redact_key: str | None = None
    redaction: Redaction
    session: SessionKey | None = None
    drain_s: float = 25.0
