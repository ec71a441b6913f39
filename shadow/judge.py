"""THE story: two observations of one request, and what is thought of them.

    observations → differences → a class for each → noise → accepted → outcome

From difference to verdict, the first that applies: a comparing rule or a class with policy
`allow` → equivalent; noise; an acceptance rule → accepted; else divergent.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from shadow.compare import DEFAULTS, CompareOptions, compare
from shadow.compare.accept import AcceptRule
from shadow.compare.classes import CLASSES, classify
from shadow.compare.classes.base import DivergenceClass, Pair, PolicyName
from shadow.compare.difference import ABSENT, Difference
from shadow.compare.json_text import to_text
from shadow.compare.kinds import value_of
from shadow.compare.noise import NoiseProfile
from shadow.compare.paths import Path, normalized, pattern
from shadow.model import (
    Answer,
    Divergence,
    Exchange,
    Judgement,
    NoAnswer,
    Observation,
    Outcome,
    Severity,
    Verdict,
    header,
)

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

VALUE_LIMIT: Final = 2048
"""Characters of a compared value that are kept; masking cuts them to 1 kB afterwards."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the judge goes by."""

    compare: CompareOptions = DEFAULTS
    classes: dict[tuple[str, str], PolicyName] = {}
    """Policies that differ from a class's own, by (class id, endpoint or `*`)."""
    accept: tuple[AcceptRule, ...] = ()
    """Rules that have not expired, in the order of the file."""
    all_events: bool = False
    """Header spellings become divergences of their own instead of tallies."""

    def of_class(self, cls: DivergenceClass, endpoint: str) -> PolicyName | None:
        """What the config says of a class at an endpoint, where it says something."""
        return self.classes.get((cls.id, endpoint)) or self.classes.get((cls.id, "*"))


def judge(
    exchange: Exchange,
    endpoint: str,
    baseline: Observation,
    candidate: Observation,
    policy: Policy,
    *,
    noise: NoiseProfile | None = None,
) -> Judgement:
    """Judge what both services did with one request.

    Pure: the noise profile is only read. Whoever keeps the judgement gives it to `note`.
    """
    hollow = is_hollow(exchange, baseline)
    if _same_answer(baseline, candidate):
        return _HOLLOW_MATCH if hollow else _MATCH
    reason = incomparable(baseline, candidate)
    if reason:
        return Judgement(outcome=Outcome.INCOMPARABLE, reason=reason, hollow=hollow)
    options = with_noise(policy.compare, endpoint, noise)
    differences = compare(baseline, candidate, endpoint, options)
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


_MATCH: Final = Judgement(outcome=Outcome.MATCH)
_HOLLOW_MATCH: Final = Judgement(outcome=Outcome.MATCH, hollow=True)


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


def within(
    policy: Policy, *, nodes: int, seconds: float, items: int, octets: int, differences: int = 1_000
) -> Policy:
    """The policy with a smaller budget, for where judging must not take long.

    A judgement under it is the policy's own, or says `over_budget`. `octets` bounds a body as
    it is compared: after content-decoding, if it has a coding.
    """
    options = policy.compare
    budget = msgspec.structs.replace(
        options.budget,
        nodes=min(nodes, options.budget.nodes),
        seconds=min(seconds, options.budget.seconds),
        items=min(items, options.budget.items),
        octets=octets if options.budget.octets is None else min(octets, options.budget.octets),
        differences=min(differences, options.budget.differences),
    )
    max_decoded = min(octets, options.max_decoded)
    smaller = msgspec.structs.replace(options, budget=budget, max_decoded=max_decoded)
    return msgspec.structs.replace(policy, compare=smaller)


def without_item_floods(
    divergences: tuple[Divergence, ...], endpoint: str, noise: NoiseProfile
) -> tuple[Divergence, ...]:
    """Items that a list lacks or has too much are noise only in the number two baselines show."""
    counts: Counter[tuple[str, str]] = Counter(
        (each.path_pattern, each.kind)
        for each in divergences
        if each.verdict == "noise" and each.kind in ("missing", "extra")
    )
    return tuple(
        excused(each, DIVERGENT)
        if each.verdict == "noise"
        and each.path_pattern.endswith("[*]")
        and counts[each.path_pattern, each.kind] > noise.most_items(endpoint, each)
        else each
        for each in divergences
    )


def cut_after(
    most: int, divergences: tuple[Divergence, ...], endpoint: str
) -> tuple[Divergence, ...]:
    """The divergences up to the one too many of a body at noisy places that no noise excuses."""
    failing = [
        index
        for index, each in enumerate(divergences)
        if each.verdict == "divergent" and each.where == "body" and each.kind != "over_budget"
    ]
    if len(failing) <= most:
        return divergences
    told = f"comparing stopped: more than {most} differences"
    over = Difference(where="body", kind="over_budget", baseline=told, candidate=told)
    return (*divergences[: failing[most]], divergence_of(over, endpoint))


def learn(
    endpoint: str, first: Observation, second: Observation, noise: NoiseProfile, policy: Policy
) -> None:
    """Learn from what the baseline answered twice to one request."""
    found = unlike(endpoint, first, second, noise, policy)
    if found is not None:
        noise.learn(endpoint, found)


def unlike(
    endpoint: str,
    first: Observation,
    second: Observation,
    noise: NoiseProfile,
    policy: Policy,
    *,
    whole: bool = False,
) -> tuple[Divergence, ...] | None:
    """What differs between two answers of the baseline, for `NoiseProfile.learn`.

    None where it did not answer twice, and with `whole` where comparing stopped at its budget.
    Pure: the profile is only read.
    """
    if not isinstance(first, Answer) or not isinstance(second, Answer):
        return None
    options = with_noise(policy.compare, endpoint, noise)
    differences = compare(first, second, endpoint, options)
    if whole and any(difference.unfinished for difference in differences):
        return None
    if first.response.status != second.response.status:
        # What else differs then is another kind of answer, not another value of this one.
        differences = [difference for difference in differences if difference.where == "status"]
    return tuple(divergence_of(difference, endpoint) for difference in differences)


def with_noise(
    options: CompareOptions, endpoint: str, noise: NoiseProfile | None
) -> CompareOptions:
    """The options with what is known of the endpoint's noise."""
    if noise is None or endpoint not in noise.endpoints:
        return options

    def is_noisy(path_pattern: str) -> bool:
        return noise.is_noisy(endpoint, "body", path_pattern)

    return options.with_noise(endpoint, noise.unordered(endpoint), is_noisy)


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
    moments = [
        value_of(header(side.response.headers, "date"), is_json=False).number
        for side in (baseline, candidate)
        if isinstance(side, Answer)
    ]
    if len(moments) != 2 or moments[0] is None or moments[1] is None:
        return 0.0
    return moments[1] - moments[0]


def is_hollow(exchange: Exchange, baseline: Observation) -> bool:
    """The recorded answer was a success, and the baseline now refuses or fails."""
    recorded = exchange.response
    return (
        recorded is not None
        and recorded.status < 400
        and isinstance(baseline, Answer)
        and baseline.response is not recorded
        and baseline.response.status in HOLLOW
    )


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


class Excuse(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a divergence, and what it rests on."""

    verdict: Verdict = "divergent"
    rule: str | None = None
    wrong_side: Literal["baseline"] | None = None


DIVERGENT: Final = Excuse()
"""Nothing excuses it."""


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
    rule = noise.verdict(endpoint, divergence, clock_gap_s) if noise is not None else None
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


def excused(divergence: Divergence, excuse: Excuse) -> Divergence:
    """The divergence with its verdict, and the severity that follows from class and verdict."""
    cls = CLASSES.get(divergence.class_id or "")
    if excuse is DIVERGENT and cls is None and divergence.verdict == "divergent":
        return divergence  # as every divergence is until it is judged
    return msgspec.structs.replace(
        divergence,
        verdict=excuse.verdict,
        rule=excuse.rule,
        wrong_side=excuse.wrong_side,
        severity=severity_of(excuse.verdict, cls),
    )


def severity_of(verdict: Verdict, cls: DivergenceClass | None) -> Severity:
    """A class's own severity; without one, what fails is breaking."""
    if cls is not None:
        return cls.severity
    return "breaking" if verdict == "divergent" else "benign"


def divergence_of(
    difference: Difference, endpoint: str, cls: DivergenceClass | None = None
) -> Divergence:
    """A difference with its path, signature and values as text, not judged yet."""
    path, path_pattern = place_of(difference)
    return Divergence(
        where=difference.where,
        kind=difference.kind,
        path=path,
        path_pattern=path_pattern,
        signature=_signature_of(endpoint, difference, path_pattern),
        baseline=value_text(difference, difference.baseline),
        candidate=value_text(difference, difference.candidate),
        class_id=cls.id if cls else None,
    )


def place_of(difference: Difference) -> tuple[str, str]:
    """Path and path pattern of a difference."""
    if difference.name is not None:
        return difference.name, difference.name
    return normalized(difference.path), pattern(difference.path)


def signature(endpoint: str, where: str, path_pattern: str, kind: str, detail: Any) -> str:
    """What a finding *is*, as 16 hex digits; its class is not part of it."""
    what = [endpoint, where, path_pattern, kind, detail]
    text = json.dumps(what, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


_known_signature: Final = lru_cache(maxsize=4096)(signature)
_LONGEST_KNOWN: Final = 500
"""Characters of a pattern whose signatures are remembered."""


def _signature_of(endpoint: str, difference: Difference, path_pattern: str) -> str:
    known = len(path_pattern) <= _LONGEST_KNOWN
    of = _known_signature if known else signature
    return of(endpoint, difference.where, path_pattern, difference.kind, difference.detail)


def value_text(difference: Difference, value: Any) -> str | None:
    """A compared value as text: the JSON as it stood, or the header or body text."""
    if value is ABSENT:
        return None
    is_json = difference.where == "body" and difference.name is None
    if is_json and difference.kind != "over_budget" and difference.spelling not in _ABOUT_LAYOUT:
        return to_text(value, VALUE_LIMIT)
    return str(value)[:VALUE_LIMIT]


_ABOUT_LAYOUT: Final = frozenset({"json-trailing-newline", "json-whitespace"})
