"""`[targets]`: the two services."""

from __future__ import annotations

from typing import Annotated

import msgspec

from shadow.model import SideName


class VersionTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[targets.*] version`: where the service says its version, asked once before a run."""

    path: str | None = None
    """What is asked for, `/version`: the member `version` of its JSON, or its first line."""
    header: str | None = None
    """Take this header of the answer instead; of `/` where no path is given."""


class OAuthTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[targets.*.auth.oauth]`: OAuth 2.0 client credentials."""

    token_url: str
    """Where tokens are given out."""
    client_id: str
    """Who asks for them."""
    client_secret: str
    """From the environment: `${CLIENT_SECRET}`."""
    scope: str = ""
    """What they are for, names with spaces between."""


class AuthTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[targets.*.auth]`: credentials that are fetched, and renewed before they expire.

    One of `command` and `oauth`; what stands in the environment goes into `headers`.
    """

    command: list[str] = []
    """Command that prints a token, without a shell; it runs with `--allow-commands` only."""
    oauth: OAuthTable | None = None
    header: str = "Authorization"
    """Header that is set, in the place of a recorded one."""
    prefix: str = "Bearer "
    """What stands before the token."""
    ttl_s: Annotated[float, msgspec.Meta(ge=10)] = 3000.0
    """Seconds after which a token that does not say so expires."""


class HooksTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[targets.*.hooks]`: what is done to the service around a run.

    Each is a request to the service, `"POST /admin/reset"`, or a command without a shell,
    `["./seed.sh", "go"]`, which runs with `--allow-commands` only.
    """

    reset: str | list[str] | None = None
    """Puts the data back: before a run that sends writes, and before each try of
    `repro --minimise`."""
    before_run: str | list[str] | None = None
    """Once before the first request, after `reset`."""
    before_session: str | list[str] | None = None
    """Before the first request of each session."""
    after_run: str | list[str] | None = None
    """Once after the last request, however the run ends."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 30.0
    """Seconds that each may take."""


class TargetTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[targets.baseline]` and `[targets.candidate]`: where a service is and how to ask it."""

    name: str | None = None
    """Label in events and reports; `go` and `rust` unless given."""
    url: str | None = None
    """Scheme, host and port, like `http://127.0.0.1:8080`."""
    headers: dict[str, str] = {}
    """Headers set on every request to this side; `${VAR}` reads the environment."""
    keep_host: bool = False
    """Send the recorded `Host` instead of the target's own."""
    host: str | None = None
    """Send this as the `Host`."""
    drop_headers: list[str] = []
    """Recorded header fields that this side is not sent."""
    paths: dict[str, str] = {}
    """Beginnings of paths and what stands in their place, `{ "/v1/" = "/api/v1/" }`; the first
    that fits counts. Endpoints keep the names of the recorded paths."""
    set_query: dict[str, str] = {}
    """Query parameters to set; `${VAR}` reads the environment."""
    drop_query: list[str] = []
    """Query parameters that this side is not sent."""
    verify_tls: bool = True
    """Check the certificate of an https target."""
    resources: str | None = None
    """Where CPU and memory of the service are read through a run: `auto` (the process behind its
    port, on this machine), `pid:123`, `cgroup:/sys/fs/cgroup/…` or `prom:http://…/metrics`."""
    http2: bool = False
    """Speak HTTP/2 only; over `http://` without asking. Needs the extra `http2`."""
    proxy: str | None = None
    """Go through this proxy, `http://user:${PASSWORD}@127.0.0.1:3128`; `https://` works too."""
    version: VersionTable | None = None
    """Where the service says its version; `--go-version` and `--rust-version` win over it."""
    toolchain: str | None = None
    """What it was built with, `go1.23`; kept with each run."""
    lockfile: str | None = None
    """File that pins its dependencies, `Cargo.lock`, from the folder of this file."""
    isolated: bool = False
    """Nothing that is written to this service matters to anybody. A replay sends writes where both
    sides are and their URLs stand in this file; `proxy` and `sink` send writes (`--allow-writes`)
    to a candidate only where it is; `fuzz` asks only where both are."""
    auth: AuthTable | None = None
    """Credentials that a replay fetches and renews."""
    hooks: HooksTable = HooksTable()
    database: str | None = None
    """SQLAlchemy URL that `[[state]] sql` reads, from the environment: `${GO_DATABASE}`."""


class TargetsTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[targets]`: the two services."""

    baseline: TargetTable = TargetTable()
    candidate: TargetTable = TargetTable()

    def of(self, side: SideName) -> TargetTable:
        """The table of a side."""
        return self.baseline if side == "baseline" else self.candidate
