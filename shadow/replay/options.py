"""How a replay is run."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from shadow.compare.noise import NoiseProfile
from shadow.endpoints import Endpoints
from shadow.judge import Policy
from shadow.model import SideName
from shadow.replay.abort import AbortLimits
from shadow.replay.hooks import SideHooks
from shadow.replay.provenance import VersionSource
from shadow.replay.state import Probes
from shadow.results.resources import Prices
from shadow.results.runs import RunInfo
from shadow.sending.limits import Limits
from shadow.sending.safety import Safety
from shadow.sending.target import Target
from shadow.sessions.rules import Rule
from shadow.sessions.shifting import Shift

Sides = Literal["together", "in-turn"]
Join = Literal["id", "request"]
Order = Literal["session", "global"]


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which exchanges of a capture are wanted."""

    sample: float = 1.0
    """Share of sessions (of exchanges, where there are none) that is kept, 0 to 1."""
    methods: frozenset[str] = frozenset()
    endpoints: tuple[str, ...] = ()
    """Shell patterns on the endpoint; empty keeps all."""
    exclude: tuple[str, ...] = ()
    limit: int | None = None
    """Stop after this many exchanges have been read."""
    seed: int = 0


class ReplayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Pacing and order of a replay."""

    concurrency: int = 16
    """Exchanges in flight at once."""
    rate: float | None = None
    """Exchanges per second that the schedule makes due."""
    ceiling: float | None = None
    """Exchanges per second that are never exceeded, whatever the schedule says."""
    repeat: int = 0
    """How often the candidate is asked again, of what only reads."""
    order: Order = "session"
    """Keep the order in each session, or of all exchanges: one at a time then."""
    speed: float | None = None
    """Follow the capture's timeline, this many times as fast."""
    sides: Sides = "together"
    """Ask both services at once, or one after the other in seeded random order."""
    seed: int = 0
    origin: datetime | None = None
    """Where the capture's timeline begins, where that is not at the first exchange read."""
    delay_s: float = 0.0
    """Seconds after the start at which a schedule by `rate` begins."""
    window: int = 4096
    """Exchanges read ahead, so that a long session does not idle the others."""
    window_bytes: int = 64 * 1024 * 1024


class NoisePlan(msgspec.Struct, frozen=True, kw_only=True):
    """How noise is learned while replaying."""

    twice: bool = False
    """Ask the baseline twice; else the secondary is asked, where there is one."""
    sample: float = 0.2
    """Share of the safe exchanges that are asked again."""
    first: int = 20
    """Exchanges of each endpoint that are asked again in any case."""
    profile: NoiseProfile | None = None
    """What was learned before."""


class ResourcePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Where CPU and memory of the services are read; nothing is read where there is no source."""

    sources: dict[SideName, str] = {}
    """By side, as `shadow.resources.source.parse_source` reads them."""
    idle_s: float = 0.0
    prices: Prices | None = None


class Correlation(msgspec.Struct, frozen=True, kw_only=True):
    """What is put in the place of recorded values, and how."""

    rules: tuple[Rule, ...] = ()
    cookies: bool = False
    """Each side gets the cookies that it set."""
    shifts: tuple[Shift, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is sent otherwise than it was recorded."""
        return bool(self.rules or self.cookies or self.shifts)


class ReplayPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a replay goes by."""

    captures: tuple[str, ...]
    baseline: Target | None
    """None takes the recorded responses for the baseline."""
    candidate: Target
    endpoints: Endpoints
    safety: Safety
    policy: Policy
    selection: Selection
    options: ReplayOptions
    limits: Limits
    info: RunInfo
    secondary: Target | None = None
    """A second instance of the baseline, for noise."""
    noise: NoisePlan = NoisePlan()
    resources: ResourcePlan = ResourcePlan()
    correlation: Correlation = Correlation()
    hooks: tuple[SideHooks, ...] = ()
    """What is done to each side around the run."""
    probes: Probes = Probes()
    """What of the state is compared at its end."""
    abort: AbortLimits = AbortLimits()
    """When nothing more is sent."""
    dry_run: bool = False
    workers: int = 1
    """Processes that do it together."""
    versions: tuple[VersionSource | None, VersionSource | None] = (None, None)
    """Where the baseline and the candidate say their versions."""


class DiffPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a diff goes by."""

    baseline: str
    candidate: str
    join: Join
    endpoints: Endpoints
    policy: Policy
    selection: Selection
    info: RunInfo
    profile: NoiseProfile | None = None
    """Noise that was learned before."""
    workers: int = 1
    """Processes that do it together."""
