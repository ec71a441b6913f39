"""What `shadow races` found, for a person and as JSON. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import msgspec

from shadow.reports.text import plain, plural
from shadow.results.races import Race

VERSION = 1
_SHOWN = 20


class RacesSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What came of asking alone and under load."""

    captures: tuple[str, ...]
    names: tuple[str, str]
    """What the baseline and the candidate are called."""
    seed: int
    levels: tuple[int, ...]
    rounds: int
    asked: int
    """Exchanges judged, at all levels."""
    not_asked: int
    """Sessions that ended early: a value was lacking, or a request could not be sent."""
    left_out: int
    """Exchanges beyond the limit."""
    out_of_time: bool
    rounds_needed: int
    """Rounds that would tell; 0 where these do."""
    races: tuple[Race, ...]
    duration_s: float
    exit_code: int


def render_json(summary: RacesSummary) -> str:
    """The summary as one JSON object on one line."""
    told = {**msgspec.to_builtins(summary), "v": VERSION}
    for shown, race in zip(told["races"], summary.races, strict=True):
        shown["reproduce"] = command(summary, race)
    return msgspec.json.encode(told).decode() + "\n"


def render(summary: RacesSummary) -> str:
    """The summary as text."""
    return "\n".join(_lines(summary)) + "\n"


def _lines(summary: RacesSummary) -> Iterator[str]:
    levels = ", ".join(map(str, summary.levels))
    yield (
        f"asked {plural(summary.asked, 'exchange')} of both in {summary.duration_s:.1f} s: "
        f"{plural(summary.rounds, 'round')} at each of {levels} in flight, seed {summary.seed}"
    )
    if summary.out_of_time:
        yield "--max-time is over: the highest levels were not asked, or not in full"
    if summary.left_out:
        yield f"left out {plural(summary.left_out, 'exchange')} beyond the limit (--limit)"
    if summary.not_asked:
        yield f"{plural(summary.not_asked, 'session')} ended early, for a value or an odd request"
    if not summary.races:
        yield _nothing(summary)
    for race in summary.races[:_SHOWN]:
        yield ""
        yield from _race(summary, race)
    if len(summary.races) > _SHOWN:
        yield f"… and {len(summary.races) - _SHOWN:,} more (--json has all)"


def _nothing(summary: RacesSummary) -> str:
    if summary.rounds_needed:
        return (
            "INCONCLUSIVE  too little was asked to tell a race of every second exchange:"
            f" --rounds {summary.rounds_needed}"
        )
    return "nothing diverges more often under load than alone"


def _race(summary: RacesSummary, race: Race) -> Iterator[str]:
    one = race.example
    place = one.path_pattern or one.where
    go, rust = summary.names
    between = f"{go} against {rust}" if race.between == "both" else f"{go} against itself alone"
    yield plain(f"RACE  {race.endpoint} {place}, {between}  {race.signature}")
    yield (
        f"  {race.hits:,} of {race.trials:,} with {race.level} in flight,"
        f" {race.alone_hits:,} of {race.alone_trials:,} alone (p {race.p:.2g})"
    )
    yield plain(f"  like {_value(one.baseline)} | {_value(one.candidate)}")
    yield f"  → {command(summary, race)}"


def _value(text: str | None) -> str:
    return "(absent)" if text is None else text[:60]


def command(summary: RacesSummary, race: Race) -> str:
    """The command that shows this one again."""
    words = ["shadow", "races", *summary.captures, "--endpoint", race.endpoint]
    words += ["--levels", f"1,{race.level}", "--seed", str(summary.seed)]
    return plain(shlex.join(words))
