"""What a search for races found, for a person and as JSON. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from shadow.captures.shell import quoted
from shadow.reports import machine
from shadow.reports.text import DASH, pair, percent, plain, plural
from shadow.results.races import ALONE, Ended, Race, RacesSummary, Untold

SHOWN: Final = 20
"""Findings of a kind that are listed."""
SHOWN_ENDPOINTS: Final = 6
_VALUE: Final = 40
"""Terminal cells that a compared value has."""
_ENDED: Final[dict[Ended, str]] = {
    "rounds": "all rounds are done",
    "time": "--max-time is over",
    "failed": "ended early",
    "interrupted": "interrupted",
}


def render_json(summary: RacesSummary) -> str:
    """The summary as one JSON object on one line."""
    told = msgspec.to_builtins(summary)
    found = told.pop("found")
    del told["again"]
    for name in ("races", "suspected", "echoes"):
        for each, race in zip(found[name], getattr(summary.found, name), strict=True):
            each["class"] = each.pop("class_id")
            each["reproduce"] = command(race, summary)
    told |= {**found, "inconclusive": summary.open_questions, "exit_code": summary.exit_code}
    return machine.line(told)


def command(race: Race, summary: RacesSummary) -> str:
    """The command that shows a finding again: its endpoint alone, at the level that showed it."""
    words = list(summary.again)
    if "[masked:" not in race.endpoint:
        words += ["--endpoint", re.sub(r"([*?\[])", r"[\1]", race.endpoint)]
    words += ["--levels", f"{ALONE},{race.level}", "--seed", str(summary.seed)]
    return " ".join(map(_word, words))


def _word(text: str) -> str:
    return quoted(text.encode("utf-8", "replace").decode("latin-1"))


def render(summary: RacesSummary) -> str:
    """The summary as text."""
    return "\n".join(_lines(summary)) + "\n"


def _lines(summary: RacesSummary) -> Iterator[str]:
    yield from _headline(summary)
    yield ""
    yield from _levels(summary)
    yield from _cautions(summary)
    found = summary.found
    of_candidate = [each for each in found.races if each.side == "candidate"]
    of_baseline = [each for each in found.races if each.side == "baseline"]
    candidate, baseline = plain(summary.candidate), plain(summary.baseline)
    yield from _listed(f"{candidate.upper()}  under concurrency", of_candidate, summary)
    yield from _listed(f"{baseline.upper()}  not what it answers alone", of_baseline, summary)
    if found.echoes:
        yield (
            f"  {candidate} differs from it there, as it must: whether it has a race too "
            f"cannot be told ({', '.join(each.signature for each in found.echoes[:SHOWN])})"
        )
    yield from _listed("SUSPECTED  seen too seldom to tell", found.suspected, summary)


def _headline(summary: RacesSummary) -> Iterator[str]:
    found = summary.found
    names = f"{DASH} {plain(summary.baseline)} vs {plain(summary.candidate)}"
    if found.races:
        yield f"RACES  {plural(len(found.races), 'finding')} that concurrency brings {names}"
    elif summary.open_questions:
        yield f"INCONCLUSIVE  {'; '.join(summary.open_questions)} {names}"
    else:
        yield f"NONE  nothing that concurrency brings {names}"
    asked = f"{plural(summary.exchanges, 'exchange')} of {plural(summary.sessions, 'session')}"
    rounds = f"{summary.rounds_done} of {plural(summary.rounds, 'round')}"
    yield f"{asked}, {rounds}, seed {summary.seed}, {summary.duration_s:.1f} s"
    if not found.races and found.unseen_below is not None:
        share = percent(found.unseen_below)
        top = summary.levels[-1].level
        yield f"what was never seen at {top} is in less than {share} of the answers there (95 %)"


def _levels(summary: RacesSummary) -> Iterator[str]:
    """What was asked at each level, and how much of it was really at once."""
    names = f"{plain(summary.baseline)} / {plain(summary.candidate)}"
    yield f"{'LEVEL':>5}  {'COMPARED':>8}  IN FLIGHT, {names}"
    for each in summary.levels:
        flying = f"{each.in_flight_baseline:.1f} / {each.in_flight_candidate:.1f}"
        yield f"{each.level:>5}  {each.compared:>8,}  {flying}"


def _cautions(summary: RacesSummary) -> Iterator[str]:
    counted = {
        name: sum(getattr(each, name) for each in summary.levels)
        for name in ("incomparable", "hollow", "unsent")
    }
    told = [f"{count:,} {name}" for name, count in counted.items() if count]
    told += [f"{count:,} left out: {reason}" for reason, count in sorted(summary.skipped.items())]
    if told:
        yield "; ".join(told)
    if summary.ended != "rounds":
        why = f": {plain(summary.failure)}" if summary.failure else ""
        yield f"{_ENDED[summary.ended]}{why}"
    if summary.found.dropped:
        yield f"{summary.found.dropped:,} sightings are not counted: too many different findings"
    if summary.found.untold:
        yield _untold(summary.found.untold)


def _untold(untold: Sequence[Untold]) -> str:
    names = ", ".join(plain(each.endpoint) for each in untold[:SHOWN_ENDPOINTS])
    more = len(untold) - SHOWN_ENDPOINTS
    rest = f" and {more:,} more" if more > 0 else ""
    most = max((each.rounds_needed or 0 for each in untold), default=0)
    return f"asked too little to tell: {names}{rest}{_need(most)}"


def _need(rounds: int | None) -> str:
    return f"; --rounds {rounds:,} would tell" if rounds else ""


def _listed(title: str, races: Sequence[Race], summary: RacesSummary) -> Iterator[str]:
    if not races:
        return
    yield ""
    yield title
    for each in races[:SHOWN]:
        yield from _finding(each, summary)
    if len(races) > SHOWN:
        yield f"… and {len(races) - SHOWN:,} more, in --json"


def _finding(race: Race, summary: RacesSummary) -> Iterator[str]:
    """Where it is, how often there and alone, how sure, an example, and how to see it again."""
    place = plain(f"{race.where} {race.path_pattern}".strip())
    yield f"{race.signature}  {plain(race.endpoint)}  {race.kind} · {place}"
    alone = percent(race.alone_hits / race.alone_compared if race.alone_compared else 0.0)
    rates = ", ".join(f"at {each.level} {percent(each.rate)}" for each in race.levels)
    yield (
        f"  alone {alone} of {race.alone_compared:,}, {rates}; "
        f"p = {race.at.p_holm:.2g} at {race.level}{_need(race.rounds_needed)}"
    )
    if race.example is not None:
        one, other = _sides(race, summary)
        values = pair(race.example.baseline, race.example.candidate, _VALUE)
        yield f"  {plain(race.example.exchange_id)}: {one} {values[0]}, {other} {values[1]}"
    yield f"  {command(race, summary)}"


def _sides(race: Race, summary: RacesSummary) -> tuple[str, str]:
    """What the two values of an example are."""
    if race.side == "candidate":
        return plain(summary.baseline), plain(summary.candidate)
    return "alone", "then"
