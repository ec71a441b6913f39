"""Diffy's noise rule beside ours, on the four planted kinds of field.

Diffy compares the counts of differences candidate-against-primary ("raw") with those of
secondary-against-primary ("noise"): a field is flagged only where the two counts differ by
more than 20 % of each other and by more than 0.03 % of all requests. It looks at how often
a field differs, never at what its values are.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable

from shadow.compare.noise import NoiseProfile
from shadow.judge import Policy, judge, learn, note
from shadow.masking import Masker
from shadow.model import Answer, Exchange, Outcome, Request, Response
from shadow.results.record import Record
from shadow.settle import Memory, settle

RELATIVE = 0.20
ABSOLUTE = 0.0003
REQUESTS = 1_000

Field = Callable[[random.Random], str]
"""One JSON value of the field, drawn anew for each answer."""


def _uuid(rng: random.Random) -> str:
    return f'"{uuid.UUID(int=rng.getrandbits(128), version=4)}"'


def _time(rng: random.Random) -> str:
    return f'"2026-11-22T10:00:{rng.randrange(60):02d}.{rng.randrange(1000):03d}Z"'


def _jitter(rng: random.Random) -> str:
    return str(rng.randrange(95, 106))


KINDS: dict[str, tuple[Field, Field, bool]] = {
    "clean": (lambda _: "1", lambda _: "1", False),
    "noisy uuid": (_uuid, _uuid, False),
    "noisy time": (_time, _time, False),
    "jittering number": (_jitter, _jitter, False),
    "regression": (lambda _: "1", lambda _: "2", True),
    "garbage in a timestamp": (_time, lambda _: '"SystemTime { tv_sec: 1 }"', True),
    "a uuid that became a constant": (_uuid, lambda _: f'"{uuid.UUID(int=7, version=4)}"', True),
    "a jittering number times ten": (_jitter, lambda rng: str(10 * int(_jitter(rng))), True),
}
"""Field of the baseline, field of the candidate, and whether that is a finding."""


def flagged_by_diffy(baseline: Field, candidate: Field, seed: int = 1) -> bool:
    """Whether Diffy's rule flags the field."""
    rng = random.Random(seed)
    raw = noise = 0
    for _ in range(REQUESTS):
        primary = baseline(rng)
        raw += candidate(rng) != primary
        noise += baseline(rng) != primary
    relative = abs(raw - noise) / max(raw + noise, 1) * 2
    return raw > noise and relative > RELATIVE and abs(raw - noise) / REQUESTS > ABSOLUTE


def flagged_by_shadow(baseline: Field, candidate: Field, seed: int = 1) -> bool:
    """Whether a run of ours ends with a divergence, noise settled."""
    rng = random.Random(seed)
    noise, policy, memory, masker = NoiseProfile(), Policy(), Memory(), Masker()
    exchange = Exchange(id="1", request=Request(method="GET", target="/x"))
    records: list[Record] = []
    for number in range(REQUESTS):
        first = _answer(baseline(rng))
        if number % 5 == 0:
            learn("GET /x", first, _answer(baseline(rng)), noise, policy)
        judgement = judge(exchange, "GET /x", first, _answer(candidate(rng)), policy, noise=noise)
        note("GET /x", judgement, noise)
        record = Record.of(exchange, judgement, seq=number, endpoint="GET /x", masker=masker)
        memory.remember(record, judgement)
        records.append(record)
    outcomes = {record.seq: record.outcome for record in records}
    for revision in settle(records, memory.raw, memory.corpus.classes(), noise, policy):
        outcomes[revision.seq] = revision.outcome
    return Outcome.DIVERGENT in outcomes.values()


def _answer(value: str) -> Answer:
    headers = (("Content-Type", "application/json"),)
    return Answer(response=Response(status=200, headers=headers, body=b'{"v":%s}' % value.encode()))


def rows() -> list[tuple[str, str, bool]]:
    """A row a kind: what we say, beside what Diffy's rule says."""
    told = []
    for kind, (baseline, candidate, finding) in KINDS.items():
        ours = flagged_by_shadow(baseline, candidate)
        theirs = flagged_by_diffy(baseline, candidate)
        said = (
            f"{'finding' if ours else 'silent'} (Diffy's rule: {'finding' if theirs else 'silent'})"
        )
        told.append((f"field: {kind}", said, ours == finding))
    return told
