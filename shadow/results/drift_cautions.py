"""What two runs do not share, and what that does to a comparison of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from shadow.results.cautions import Caution
from shadow.results.runs import Run, RunInfo
from shadow.results.speed.verdicts import Changes

_SEEING: Final = ("allow_writes", "endpoint", "exclude", "join", "limit", "methods", "sample")
_TIMING: Final = ("ceiling", "concurrency", "rate", "sides", "speed")
_NOISE: Final = ("noise", "noise_profile", "noise_sample", "secondary")


def drift_cautions(before: Run, after: Run, changes: Sequence[Changes]) -> Iterator[Caution]:
    """Yield what makes the drift from one run to another less than sure, the gravest first."""
    one, other = before.info, after.info
    if one.id == other.id:
        yield Caution(
            code="drift-same-run",
            text="both are the same run",
            advice="shadow runs lists the others",
        )
    elif one.started and other.started and other.started < one.started:
        yield Caution(
            code="drift-order",
            text="the second run is the older one: new and gone are the other way round",
            advice="name the earlier run first",
        )
    yield from _unfinished(before, after)
    yield from _what_was_seen(one, other)
    yield from _dropped(before, after)
    if changes:
        yield from _what_was_timed(one, other, changes)


def _unfinished(before: Run, after: Run) -> Iterator[Caution]:
    for which, run in (("earlier", before), ("later", after)):
        if run.info.state != "finished":
            yield Caution(
                code="drift-unfinished",
                text=f"the {which} run is {run.info.state}: what it has not seen is not gone",
                advice="let it finish, or replay again",
            )


def _what_was_seen(one: RunInfo, other: RunInfo) -> Iterator[Caution]:
    if one.digest != other.digest or not one.digest:
        known = one.digest and other.digest
        yield Caution(
            code="drift-capture",
            text="the runs are of different captures"
            if known
            else "whether the runs are of one capture is not known: one was a pipe",
            advice="new and gone may be other requests and not other answers: use one capture",
        )
    if one.config_digest != other.config_digest:
        yield Caution(
            code="drift-config",
            text="the config changed between the runs, or the noise profile it names",
            advice="new and gone may be other rules and not other answers",
        )
    noise = _differing(_noise(one), _noise(other), _NOISE)
    if noise:
        yield Caution(
            code="drift-noise",
            text=f"noise was learned in another way: {_listed(noise)}",
            advice="what is noise in one run may be a finding in the other",
        )
    seeing = _differing(one.options, other.options, _SEEING)
    if one.command != other.command:
        seeing = ["command", *seeing]
    if one.options.get("seed") != other.options.get("seed") and _sampled(one, other):
        seeing.append("seed")
    if seeing:
        yield Caution(
            code="drift-options",
            text=f"the runs saw different exchanges: {_listed(seeing)}",
            advice="use the same options for both",
        )


def _noise(info: RunInfo) -> dict[str, object]:
    """How noise was learned; where a second instance or a file was is another machine's matter."""
    given = info.arguments
    twice, secondary = given.get("noise") == "twice", bool(given.get("secondary"))
    return {
        "noise": twice,
        "secondary": secondary,
        "noise_profile": bool(given.get("noise_profile")),
        "noise_sample": given.get("noise_sample") if twice or secondary else None,
    }


def _dropped(before: Run, after: Run) -> Iterator[Caution]:
    if before.tally.findings_dropped or after.tally.findings_dropped:
        yield Caution(
            code="drift-findings-dropped",
            text="a run has more findings than are listed: some may look new or gone and are not",
            advice="fix or accept the most frequent ones first",
        )


def _what_was_timed(one: RunInfo, other: RunInfo, changes: Sequence[Changes]) -> Iterator[Caution]:
    if one.machine != other.machine or one.machine is None:
        yield Caution(
            code="drift-machine",
            text="the runs were made on different machines"
            if one.machine and other.machine
            else "whether the runs were made on one machine is not known",
            advice="go by the ratio: each side's own times are the machine's as well",
        )
    timing = _differing(one.options, other.options, _TIMING)
    if timing:
        yield Caution(
            code="drift-load",
            text=f"the services were under another load: {_listed(timing)}",
            advice="use the same rate, concurrency and sides for both",
        )
    moved = sum(each.baseline.verdict in ("faster", "slower") for each in changes)
    if moved and one.baseline_build == other.baseline_build:
        yield Caution(
            code="drift-baseline",
            text=f"{other.baseline.name} itself changed at {moved:,} of {len(changes):,} endpoints"
            ", and no other version of it is known: the machine or its load did",
            advice="go by the ratio",
        )


def _sampled(one: RunInfo, other: RunInfo) -> bool:
    return any(info.options.get("sample", 1.0) != 1.0 for info in (one, other))


def _differing(one: dict[str, object], other: dict[str, object], names: Sequence[str]) -> list[str]:
    """The options among `names` that are not the same; none given is none."""
    return [name for name in names if (one.get(name) or None) != (other.get(name) or None)]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)
