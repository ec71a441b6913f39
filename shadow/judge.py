"""THE story: two observations of one request, and what is thought of them.

    observations → differences → a class for each → noise → accepted → outcome

From difference to verdict, the first that applies: a comparing rule or a class with policy
`allow` → equivalent; noise; an acceptance rule → accepted; else divergent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from shadow.compare import compare
from shadow.compare.classes import CLASSES, classify
from shadow.compare.classes.base import DivergenceClass, Pair
from shadow.compare.difference import Difference
from shadow.compare.divergence import DIVERGENT, Excuse, divergence_of, excused
from shadow.compare.kinds import value_of
from shadow.compare.noise import NoiseProfile
from shadow.compare.paths import Path
from shadow.compare.policy import Policy, within
from shadow.compare.with_noise import cut_after, learn, unlike, with_noise, without_item_floods
from shadow.model import (
    Answer,
    Divergence,
    Exchange,
    Judgement,
    NoAnswer,
    Observation,
    Outcome,
    header,
)
from shadow.sessions.hollow import cause_of
from shadow.sessions.mapping import Mapping

__all__ = [
    "QUIET",
    "Policy",
    "excuse_for",
    "judge",
    "learn",
    "note",
    "outcome_of",
    "unlike",
    "with_repeats",
    "within",
]

HOLLOW: Final = frozenset({401, 403, 404, 409, *range(500, 600)})
"""Statuses that show a recorded success was not repeated."""

QUIET: Final = frozenset(
    {
        "header-name-case",
        "header-order",
        "transfer-framing",
        "content-length-derived",
        "connection-header",
        "compression-framing",
        "date-volatile",
    }
)
"""Header spellings that differ on nearly every exchange: tallied, not logged."""


def judge(
    exchange: Exchange,
    endpoint: str,
    baseline: Observation,
    candidate: Observation,
    policy: Policy,
    *,
    noise: NoiseProfile | None = None,
    mapping: Mapping | None = None,
) -> Judgement:
    """Judge what both services did with one request.

    `mapping` are the values of the session that stand for each other. Pure: it and the noise
    profile are only read. Whoever keeps the judgement gives it to `note`.
    """
    hollow = hollow_cause(exchange, endpoint, baseline)
    if _same_answer(baseline, candidate) and not (mapping and mapping.broken):
        return Judgement(outcome=Outcome.MATCH, hollow=hollow) if hollow else _MATCH
    reason = incomparable(baseline, candidate)
    if reason:
        return Judgement(outcome=Outcome.INCOMPARABLE, reason=reason, hollow=hollow)
    options = with_noise(policy.compare, endpoint, noise)
    if mapping is not None:
        options = options.with_alias(endpoint, mapping.alias)
    differences = compare(baseline, candidate, endpoint, options)
    if mapping is not None:
        differences = mapping.applied(differences)
    loud = [d for d in differences if policy.all_events or d.spelling not in QUIET]
    spellings = tuple(d.spelling for d in differences if d.spelling in QUIET and d.spelling)
    pair = Pair(baseline, candidate, loud, exchange.request, options.max_decoded)
    classes = classify(pair) if loud else ()
    clock_gap_s = dates_apart(baseline, candidate) if noise is not None and loud else 0.0
    divergences = tuple(
        verdict_on(difference, cls, endpoint, policy, noise, clock_gap_s)
        for difference, cls in zip(loud, classes, strict=True)
    )
    over_budget = pair.over_bound or any(difference.unfinished for difference in differences)
    if noise is not None:
        divergences = without_item_floods(divergences, endpoint, noise)
        listed = cut_after(options.budget.differences, divergences, endpoint)
        over_budget, divergences = over_budget or listed is not divergences, listed
    outcome = outcome_of(divergences, differs=bool(differences))
    cut = is_cut(baseline) or is_cut(candidate)
    if outcome != Outcome.DIVERGENT and cut:
        return Judgement(
            outcome=Outcome.INCOMPARABLE,
            reason="truncated",
            hollow=hollow,
            over_budget=over_budget,
        )
    return Judgement(
        outcome=outcome,
        divergences=divergences,
        spellings=spellings,
        hollow=hollow,
        cut=cut,
        clock_gap_s=clock_gap_s,
        over_budget=over_budget,
    )


def with_repeats(first: Judgement, others: Sequence[Judgement]) -> Judgement:
    """The judgement of an exchange whose candidate was asked more than once.

    What some of its answers show and others do not is unstable: the candidate's own doing, since
    each was held against the same answer of the baseline. What only a repetition shows counts too.
    """
    others = [each for each in others if each.outcome != Outcome.INCOMPARABLE]
    if first.outcome == Outcome.INCOMPARABLE or not others:
        return first
    found = {each.signature: each for each in first.divergences}
    for judgement in others:
        for each in judgement.divergences:
            found.setdefault(each.signature, each)
    always = set(found)
    for judgement in (first, *others):
        always &= {each.signature for each in judgement.divergences}
    own = {each.signature for each in first.divergences}
    new = [each for signature, each in found.items() if signature not in own]
    divergences = tuple(
        each
        if each.signature in always or each.verdict != "divergent"
        else msgspec.structs.replace(each, unstable=True)
        for each in (*first.divergences, *new)
    )
    outcome = outcome_of(divergences, differs=first.outcome != Outcome.MATCH or bool(new))
    return msgspec.structs.replace(first, divergences=divergences, outcome=outcome)


_MATCH: Final = Judgement(outcome=Outcome.MATCH)


def _same_answer(baseline: Observation, candidate: Observation) -> bool:
    """Two whole answers without any difference: nothing has to be looked at."""
    return (
        isinstance(baseline, Answer)
        and isinstance(candidate, Answer)
        and not baseline.response.truncated
        and baseline.response == candidate.response
    )


def note(endpoint: str, judgement: Judgement, noise: NoiseProfile | None) -> None:
    """Count a judgement that is kept, and the values it called noise, in the profile.

    `judgement` is as `judge` gave it: unmasked. What is incomparable counts for nothing.
    """
    if noise is None or judgement.outcome in (Outcome.INCOMPARABLE, Outcome.SKIPPED):
        return
    noise.judged(endpoint)
    for divergence in judgement.divergences:
        if divergence.verdict == "noise":
            noise.observe(endpoint, divergence)


def incomparable(baseline: Observation, candidate: Observation) -> str:
    """Why two observations cannot be compared, or empty.

    A reset or a protocol failure of the baseline is comparable: Go panics close the connection.
    """
    if isinstance(baseline, NoAnswer):
        if isinstance(candidate, NoAnswer):
            return "no-answer"
        if baseline.kind in ("connect", "timeout", "tls"):
            return f"baseline-{baseline.kind}"
    return ""


def dates_apart(baseline: Observation, candidate: Observation) -> float:
    """Seconds by which the candidate answered later, by the Date fields; 0 without them.

    A recorded answer tells the time of its recording, and so does every time in it.
    """
    dates = [
        header(side.response.headers, "date")
        for side in (baseline, candidate)
        if isinstance(side, Answer)
    ]
    if len(dates) != 2 or dates[0] == dates[1]:  # in the same second, most often
        return 0.0
    before, after = (value_of(date, is_json=False).number for date in dates)
    return 0.0 if before is None or after is None else after - before


def hollow_cause(exchange: Exchange, endpoint: str, baseline: Observation) -> str:
    """Why a recorded success is now refused or fails; empty where it is not."""
    recorded = exchange.response
    if (
        recorded is not None
        and recorded.status < 400
        and isinstance(baseline, Answer)
        and baseline.response is not recorded
        and baseline.response.status in HOLLOW
    ):
        return cause_of(exchange.request, endpoint, baseline.response.status)
    return ""


def is_cut(observation: Observation) -> bool:
    """The body was cut short, by the recorder or by the bound on bodies."""
    return isinstance(observation, Answer) and observation.response.truncated


def outcome_of(divergences: Sequence[Divergence], *, differs: bool) -> Outcome:
    """Where an exchange with these divergences ends."""
    if any(divergence.verdict == "divergent" for divergence in divergences):
        return Outcome.DIVERGENT
    return Outcome.EQUIVALENT if differs else Outcome.MATCH


def verdict_on(  # noqa: PLR0917 - everything one verdict depends on
    difference: Difference,
    cls: DivergenceClass | None,
    endpoint: str,
    policy: Policy,
    noise: NoiseProfile | None,
    clock_gap_s: float,
) -> Divergence:
    """Judge one difference."""
    divergence = divergence_of(difference, endpoint, cls)
    if difference.rule is not None:
        excuse = Excuse(verdict="equivalent", rule=difference.rule)
    else:
        excuse = excuse_for(
            divergence, endpoint, policy, noise, path=difference.path, clock_gap_s=clock_gap_s
        )
    return excused(divergence, excuse)


def excuse_for(
    divergence: Divergence,
    endpoint: str,
    policy: Policy,
    noise: NoiseProfile | None,
    *,
    path: Path | None,
    clock_gap_s: float = 0.0,
) -> Excuse:
    """The first that applies: an allowed class, noise, an acceptance rule; else divergent.

    Two spellings of one value are equivalent, whatever their class, unless the config says
    that the class fails.
    """
    cls = CLASSES.get(divergence.class_id or "")
    own = policy.of_class(cls, endpoint) if cls is not None else None
    if cls is not None and (own or cls.policy) == "allow":
        return Excuse(verdict="equivalent", rule=f"class:{cls.id}")
    if divergence.kind == "spelling" and own is None:
        return Excuse(verdict="equivalent", rule="spelling")
    rule = None
    if noise is not None and divergence.kind != "mapping_broken":
        rule = noise.verdict(endpoint, divergence, clock_gap_s)
    if rule is not None:
        return Excuse(verdict="noise", rule=rule)
    for accepted in policy.accept:
        if accepted.covers(endpoint, divergence, path):
            wrong = accepted.verdict == "go-is-wrong"
            return Excuse(
                verdict="accepted",
                rule=accepted.by.name,
                wrong_side="baseline" if wrong else None,
            )
    return DIVERGENT
