"""What weakens the evidence of a run, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from shadow.model import Outcome
from shadow.results.runs import Run
from shadow.results.tally import MAX_ENDPOINTS, MAX_FINDINGS, OTHER, Tally
from shadow.sessions.hollow import REMEDIES

_CAUSES_AT: Final = 5
"""Endpoints that are named with a cause."""
LIVE: Final = frozenset({"proxy", "sink"})
"""Commands whose runs are windows of live traffic, which nobody can send again."""
MAX_INCOMPARABLE: Final = 0.05
MAX_HOLLOW: Final = 0.05
"""Shares of the exchanges that were not skipped; above, a run is inconclusive."""


class Caution(msgspec.Struct, frozen=True, kw_only=True):
    """One warning. `code` names it for programs and stays the same."""

    code: str
    text: str
    advice: str


_STATES: Final = {"killed": "not finished, and its process is gone"}


def _advice(run: Run) -> str:
    if run.info.command == "replay" and run.info.state in ("killed", "interrupted", "failed"):
        return f"go on with it: shadow replay --resume {run.info.id}"
    if run.info.command in LIVE:
        if run.info.state == "running":
            return "look again, or at a window that has ended: shadow runs"
        return "its last exchanges are missing: look at another window, shadow runs"
    return "replay again before you rely on them"


def cautions(run: Run) -> Iterator[Caution]:
    """Yield the warnings of a run, the gravest first."""
    tally = run.tally
    if run.info.state != "finished":
        yield Caution(
            code=run.info.state,
            text=f"the run is {_STATES.get(run.info.state, run.info.state)}:"
            " these are its results so far",
            advice=_advice(run),
        )
    yield from _rules(run)
    yield from _builds(run)
    yield from _evidence(run)
    yield from _bounds(tally)


def _builds(run: Run) -> Iterator[Caution]:
    """A version that was asked for and could not be read."""
    for side, build in (
        (run.info.baseline, run.info.baseline_build),
        (run.info.candidate, run.info.candidate_build),
    ):
        if build.note:
            yield Caution(
                code="version-unknown",
                text=f"the version of {side.name} is not known: {build.note}",
                advice="mend version under [targets] in shadow.toml, or give it as an option",
            )


def _rules(run: Run) -> Iterator[Caution]:
    for rule in run.info.accept:
        if rule.expired(run.day):
            yield Caution(
                code="rule-expired",
                text=f"{rule.name} expired on {rule.expires} and fails the run;"
                f" owner: {rule.owner}",
                advice="fix what it covered, or have its owner renew or remove it in shadow.toml",
            )
        elif rule.expires_soon(run.day):
            yield Caution(
                code="rule-expiring",
                text=f"{rule.name} expires on {rule.expires}; owner: {rule.owner}",
                advice="after that day it fails the run: fix what it covers, or renew it",
            )


def _evidence(run: Run) -> Iterator[Caution]:
    tally = run.tally
    sent = tally.read - tally.outcomes[Outcome.SKIPPED]
    incomparable, hollow = tally.outcomes[Outcome.INCOMPARABLE], tally.hollow
    if not tally.compared:
        yield Caution(
            code="nothing-judged",
            text="no exchange could be judged, so this run says nothing",
            advice="see why exchanges were skipped or incomparable",
        )
    if incomparable > MAX_INCOMPARABLE * sent:
        yield Caution(
            code="incomparable",
            text=f"{incomparable:,} exchanges ({incomparable / sent:.1%}) are incomparable,"
            f" more than {MAX_INCOMPARABLE:.0%}",
            advice="check that the baseline is up and not overloaded"
            + ("" if run.info.command in LIVE else ", then replay again"),
        )
    if hollow:
        over = hollow > MAX_HOLLOW * sent
        causes = list(_causes(tally))
        limit = f", more than {MAX_HOLLOW:.0%}" if over else ""
        yield Caution(
            code="hollow",
            text=f"{hollow:,} exchanges ({hollow / sent:.1%}) are hollow{limit}: recorded as a"
            " success, now 401, 403, 404, 409 or 5xx",
            advice="hollow is no evidence, however well it matches: its causes follow"
            if causes
            else "give the baseline the recording's data and credentials; hollow is no evidence",
        )
        yield from causes
    if tally.broken:
        yield Caution(
            code="broken",
            text=f"{tally.broken:,} lines of the capture could not be read",
            advice="the first ones are named on stderr; --strict stops at the first",
        )


def _causes(tally: Tally) -> Iterator[Caution]:
    """What hollow exchanges probably come from, by cause, with where each is found."""
    for cause, remedy in REMEDIES.items():
        counts = {name: each.causes.get(cause, 0) for name, each in tally.endpoints.items()}
        most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        named = [f"{name} {count:,}" for name, count in most[:_CAUSES_AT] if count]
        if not named:
            continue
        rest = sum(count > 0 for count in counts.values()) - len(named)
        more = f" and {rest:,} endpoints more" if rest > 0 else ""
        yield Caution(
            code=f"hollow-{cause}",
            text=f"{sum(counts.values()):,} hollow, probably because {remedy.text}:"
            f" {', '.join(named)}{more}",
            advice=remedy.advice,
        )


def _bounds(tally: Tally) -> Iterator[Caution]:
    if tally.findings_dropped:
        yield Caution(
            code="findings-dropped",
            text=f"more than {MAX_FINDINGS:,} distinct findings: {tally.findings_dropped:,}"
            " divergences are counted but not listed",
            advice="fix or accept the most frequent ones first; the events have them all",
        )
    if OTHER in tally.endpoints:
        yield Caution(
            code="endpoints-folded",
            text=f"more than {MAX_ENDPOINTS:,} endpoints: the rest are counted as {OTHER}",
            advice="name the path templates under [endpoints] in shadow.toml",
        )
