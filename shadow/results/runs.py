"""A run: what it was, and everything it counted."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

import msgspec

from shadow.compare.accept import Responsibility
from shadow.masking import Masker
from shadow.results.gates.verdicts import GateResult
from shadow.results.provenance import Build, Commit, Machine, Provenance
from shadow.results.resources import Resources
from shadow.results.tally import Tally
from shadow.secret_names import is_secret_name

RunState = Literal["running", "finished", "interrupted", "failed", "killed"]
"""`killed` is what a reader finds: entered as running, and no process of it is alive."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two services. `url` is empty where a capture stands for the service."""

    name: str
    url: str = ""


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was. The store fills in `id`, `started` and what is known at the end."""

    id: str = ""
    command: str
    """The command that made it: `replay`, `diff`."""
    started: datetime | None = None
    finished: datetime | None = None
    state: RunState = "running"
    captures: tuple[str, ...] = ()
    digest: str = ""
    """Of the captures' content: runs of the same capture share it."""
    baseline: Side
    candidate: Side
    options: dict[str, Any] = {}
    arguments: dict[str, Any] = {}
    """How the command was called, for `--resume`; no credentials are among them."""
    config_digest: str = ""
    """Of the files that say how to judge: a run that goes on must go by the same."""
    versions: dict[str, str] = {}
    """Of shadow itself; those of the services are in their builds."""
    baseline_build: Build = Build()
    candidate_build: Build = Build()
    commit: Commit | None = None
    """Of the folder of the config."""
    machine: Machine | None = None
    """What the run was made on."""
    accept: tuple[Responsibility, ...] = ()
    """Who accepted what while it ran, whether or not it was seen."""
    owners: dict[str, str] = {}
    """Team responsible for an endpoint, by endpoint."""
    files: dict[str, str] = {}
    """Source file of an endpoint, `src/items.rs` or `src/items.rs:120`, by endpoint or `*`."""
    events: str = ""
    """Where the event log is."""
    exit_code: int | None = None
    duration_s: float | None = None
    resources: Resources | None = None
    """CPU and memory of both services, where they were read."""
    gate: GateResult | None = None
    """What the last gate that was asked said of it."""

    @property
    def provenance(self) -> Provenance:
        """What the run was made of."""
        seed = self.options.get("seed")
        return Provenance(
            shadow=self.versions.get("shadow", ""),
            digest=self.digest,
            baseline=self.baseline_build,
            candidate=self.candidate_build,
            commit=self.commit,
            machine=self.machine,
            seed=seed if isinstance(seed, int) else None,
        )

    def masked(self, masker: Masker) -> RunInfo:
        """Return it without the credentials in URLs and options."""
        return msgspec.structs.replace(
            self,
            captures=tuple(map(masker.mask_target, self.captures)),
            baseline=Side(name=self.baseline.name, url=masker.mask_target(self.baseline.url)),
            candidate=Side(name=self.candidate.name, url=masker.mask_target(self.candidate.url)),
            baseline_build=self.baseline_build.masked(masker),
            candidate_build=self.candidate_build.masked(masker),
            options=_masked_option(self.options, masker),
            arguments=_masked_option(self.arguments, masker),
        )


def _masked_option(value: Any, masker: Masker) -> Any:
    if isinstance(value, dict):
        return {
            name: masker.mark(str(each)) if is_secret_name(name) else _masked_option(each, masker)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_masked_option(each, masker) for each in value]
    return masker.mask_text(value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run and its counts, settled as far as the run got."""

    info: RunInfo
    tally: Tally

    @property
    def day(self) -> date:
        """The day (UTC) whose acceptance rules hold for the run."""
        return (self.info.started or datetime.now(UTC)).date()


def new_run_id(now: datetime | None = None) -> str:
    """Make a run id that is short and sorts by time: `20261122-130501-3f2a` (UTC)."""
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
