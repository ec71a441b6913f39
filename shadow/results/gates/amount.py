"""What a run must be to say anything: whole, comparable, and large enough."""

from __future__ import annotations

import math
from collections.abc import Iterator

from shadow.results.cautions import LIVE
from shadow.results.gates.criteria import Criteria, exchanges_needed, exchanges_needed_of_each
from shadow.results.gates.grounds import Grounds, compared
from shadow.results.gates.verdicts import CriterionResult
from shadow.results.tally import OTHER


def complete(grounds: Grounds, criteria: Criteria) -> Iterator[CriterionResult]:
    """A run that did not come to its end is no evidence."""
    del criteria
    state = grounds.summary.state
    finished = state == "finished"
    note = "" if finished else f"the run is {state}: go on with it, or replay again"
    if state == "running" and grounds.summary.command in LIVE:
        note = "the window goes on: ask for one that has ended, shadow runs lists them"
    yield CriterionResult(
        name="complete", verdict="pass" if finished else "inconclusive", note=note
    )


def comparable(grounds: Grounds, criteria: Criteria) -> Iterator[CriterionResult]:
    """Too much that was incomparable or hollow says that the set-up is wrong."""
    summary = grounds.summary
    sent = summary.read - summary.skipped
    for name, count, bound in (
        ("incomparable", summary.incomparable, criteria.max_incomparable),
        ("hollow", summary.hollow, criteria.max_hollow),
    ):
        measured = count / sent if sent else None
        within = measured is not None and count <= bound * sent
        note = "" if within else "no evidence: mend the set-up and replay again"
        yield CriterionResult(
            name=name,
            verdict="pass" if within else "inconclusive",
            unit="share",
            measured=measured,
            bound=bound,
            note=note if sent else "nothing was sent",
        )


def exchanges(grounds: Grounds, criteria: Criteria) -> Iterator[CriterionResult]:
    """How many exchanges were compared in all, without the hollow ones."""
    needed = exchanges_needed(criteria)
    if needed is None:
        return
    count = sum(map(compared, grounds.summary.endpoints))
    enough = count >= needed
    yield CriterionResult(
        name="exchanges",
        verdict="pass" if enough else "inconclusive",
        unit="count",
        measured=count,
        bound=needed,
        more=None if enough else needed - count,
    )


def coverage(grounds: Grounds, criteria: Criteria) -> Iterator[CriterionResult]:
    """The share of the endpoints with enough exchanges."""
    if not _asks_by_endpoint(criteria):
        return
    needed = exchanges_needed_of_each(criteria)
    counts = _by_endpoint(grounds)
    bound = 1.0 if criteria.min_coverage is None else criteria.min_coverage
    lacking = sorted((needed - count, name) for name, count in counts.items() if count < needed)
    covered = len(counts) - len(lacking)
    wanted = math.ceil(bound * len(counts) - 1e-9)
    enough = bool(counts) and covered >= wanted
    nearest = lacking[: wanted - covered] if wanted > covered else []
    more = sum(missing for missing, _ in nearest)
    yield CriterionResult(
        name="coverage",
        verdict="pass" if enough else "inconclusive",
        unit="share",
        measured=covered / len(counts) if counts else None,
        bound=bound,
        more=more or None,
        endpoint=nearest[0][1] if nearest else None,
        note=f"{covered:,} of {len(counts):,} endpoints with {needed:,} exchanges or more",
    )


def _asks_by_endpoint(criteria: Criteria) -> bool:
    return (
        criteria.min_coverage is not None
        or criteria.min_exchanges_per_endpoint is not None
        or bool(criteria.max_latency_ratio)
        or criteria.max_jitter_ratio is not None
    )


def _by_endpoint(grounds: Grounds) -> dict[str, int]:
    """Exchanges of the endpoints that are to be covered.

    Those beyond the bound on endpoints are counted together, so none of them is covered.
    """
    found = {each.endpoint: compared(each) for each in grounds.summary.endpoints}
    if OTHER in found:
        found[OTHER] = 0
    if grounds.templates:
        return {name: found.get(name, 0) for name in grounds.templates}
    return found
