"""`shadow repro --minimise`: the smallest session that shows a finding, asked for live."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from shadow.captures import STDIN, read
from shadow.captures.writer import open_writer
from shadow.compare.encodings import UndecodableError, decode
from shadow.errors import ShadowError, UnfinishedError
from shadow.masking import NAME_BYTES, Masker, cut
from shadow.minimise import Budget, Minimised, OverBudgetError, Spending, left_out, minimised
from shadow.model import Answer, Exchange, NoAnswer, Observation, Response, header_values, readable
from shadow.replay.asking import Asked, Asker, AskingPlan, NotAskedError
from shadow.replay.delivery import check_writable
from shadow.reports.examples import Wanted, found_by
from shadow.reports.minimal import Minimal, Said, render
from shadow.results.finding import Finding
from shadow.sending.loop import event_loop

TRIALS: Final = 10
"""Times that the whole session is asked at first, to know how often the finding shows."""
MOST_TRIALS: Final = 300
"""Times that it is asked where it does not show at first: of one in a hundred, 95 % show."""
MAX_TRIES: Final = 500
MISSED: Final = 0.01
"""Probability that a step is given up though it shows, for a finding that comes and goes."""
MAX_BEFORE: Final = 500
"""Exchanges of a session before the one that shows it, the last ones."""
_SHOWN_BODY: Final = 1_000
_READ_BODY: Final = 8 * _SHOWN_BODY
_DECODED_BODY: Final = 8 << 20
_TOLD_HEADERS: Final = frozenset({"content-type", "location", "set-cookie", "retry-after"})


class MinimisePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `shadow repro --minimise` goes by."""

    wanted: Wanted
    asking: AskingPlan
    budget: Budget
    concurrency: int = 1
    """So many requests at once: others of the endpoint go beside the session's last."""
    out: str | None
    """Where the smallest session is written as a capture."""
    masker: Masker


def minimise(plan: MinimisePlan) -> str:
    """Return the smallest session as curl commands, with what each side answers.

    Raises ShadowError where there is no such finding or exchange, and UnfinishedError where it
    does not show any more.
    """
    for option, path in (("--out", plan.out), ("--http", plan.wanted.http)):
        if path is not None:  # now, not when all has been asked
            check_writable(path, f"{option} {path}")
    finding, run = found_by(plan.wanted)
    sessions = _sessions(finding, plan.wanted.captures)
    others = _others(finding, plan) if plan.concurrency > 1 else []
    with asyncio.Runner(loop_factory=event_loop) as runner:
        minimal = runner.run(_search(plan, finding, sessions, others))
    if plan.out is not None:
        with open_writer(plan.out) as writer:
            for exchange in minimal.session:
                writer.write(exchange)
    return render(minimal, run, plan.wanted)


def _sessions(finding: Finding, captures: Sequence[str]) -> list[list[Exchange]]:
    """The examples of a finding, each with what comes before it in its session."""
    if STDIN in captures:
        raise ShadowError("-: standard input can be read only once", "save it to a file first")
    wanted = {example.exchange_id for example in finding.examples}
    ends: dict[str, Exchange] = {}
    for record in read(captures):
        if isinstance(record, Exchange) and cut(record.id, NAME_BYTES) in wanted:
            ends.setdefault(cut(record.id, NAME_BYTES), record)
    if not ends:
        raise ShadowError(
            f"{', '.join(captures)}: no exchange {', '.join(sorted(wanted))}",
            "name the capture that the run was made from; what a probe of the state found is"
            " found again by its session",
        )
    names = {each.session for each in ends.values() if each.session is not None}
    before: dict[str, deque[Exchange]] = {name: deque(maxlen=MAX_BEFORE) for name in names}
    sessions: dict[str, list[Exchange]] = {}
    for record in read(captures):
        if not isinstance(record, Exchange):
            continue
        name = cut(record.id, NAME_BYTES)
        if name in ends and name not in sessions:
            sessions[name] = [*before.get(record.session or "", ()), record]
        if record.session is not None and record.session in names:
            before[record.session].append(record)
    return [sessions[name] for name in sorted(sessions)]


def _others(finding: Finding, plan: MinimisePlan) -> list[Exchange]:
    """Other exchanges of the endpoint that only read, to go beside the one that shows it."""
    examples = {example.exchange_id for example in finding.examples}
    found: list[Exchange] = []
    for record in read(plan.wanted.captures):
        if not isinstance(record, Exchange) or cut(record.id, NAME_BYTES) in examples:
            continue
        request = record.request
        endpoint = plan.asking.endpoints.name(request.method, request.target)
        if endpoint == finding.endpoint and plan.asking.safety.is_safe(request):
            found.append(record)
        if len(found) >= plan.concurrency - 1:
            break
    return found


class _Shows:
    """Whether a session shows the finding, with others beside it where that is wanted."""

    def __init__(self, asker: Asker, signature: str, others: Sequence[Exchange]) -> None:
        self._asker = asker
        self._signature = signature
        self._others = others
        self.shown: Asked | None = None
        """What was asked when it showed last."""

    async def __call__(self, session: Sequence[Exchange]) -> bool:
        try:
            asked = await self._asker.judged(session, self._others)
        except NotAskedError:
            return False
        if self._signature not in asked.signatures:
            return False
        self.shown = asked
        return True


async def _search(
    plan: MinimisePlan,
    finding: Finding,
    sessions: Sequence[Sequence[Exchange]],
    others: Sequence[Exchange],
) -> Minimal:
    """Find the smallest of the first session that shows the finding at all."""
    spending = Spending(plan.budget)
    tried = 0
    async with Asker(plan.asking) as asker:
        for session in sessions:
            shows = _Shows(asker, finding.signature, others)
            usable = _usable(asker, session)
            hits, trials = await _rate(shows, usable, spending)
            tried += trials
            if hits:
                tries = _tries(hits / trials)
                found = await minimised(usable, shows, spending.left(), tries=tries)
                assert shows.shown is not None
                requests = spending.requests + found.requests
                found = msgspec.structs.replace(found, requests=requests)
                return _minimal(plan, usable, found, (hits, trials), shows.shown)
    raise _not_shown(finding, tried)


def _not_shown(finding: Finding, tried: int) -> UnfinishedError:
    if not tried:
        return UnfinishedError(
            f"{finding.signature}: its session is longer than what may be asked",
            "raise --max-requests: half of it is for seeing how often the finding shows",
        )
    return UnfinishedError(
        f"{finding.signature} does not show any more: in none of {tried} tries",
        "is it the same data and build? tokens and ids: shadow sessions learn; under load only:"
        " shadow races; now and then: a larger --max-time",
    )


async def _rate(shows: _Shows, session: Sequence[Exchange], spending: Spending) -> tuple[int, int]:
    """How often it shows, in how many tries: ten, more where it does not at first.

    They take at most half of what is left of the budget, so that the rest is for making it
    smaller.
    """
    hits = trials = 0
    left = spending.left()
    share = Spending(Budget(requests=left.requests // 2, seconds=left.seconds / 2))
    while trials < TRIALS or (not hits and trials < MOST_TRIALS):
        try:
            share.take(len(session))
            spending.take(len(session))
        except OverBudgetError:
            break
        hits += await shows(session)
        trials += 1
    return hits, trials


def _usable(asker: Asker, session: Sequence[Exchange]) -> list[Exchange]:
    """The session without what may not or cannot be sent. Raises NotAskedError for its last one."""
    *before, last = session
    asker.check(last)
    kept = []
    for exchange in before:
        try:
            asker.check(exchange)
        except NotAskedError:
            continue
        kept.append(exchange)
    return [*kept, last]


def _tries(rate: float) -> int:
    """How often a step is asked, so that one which shows at this rate is rarely given up."""
    if rate >= 1:
        return 1
    return min(MAX_TRIES, math.ceil(math.log(MISSED) / math.log(1 - rate)))


def _minimal(
    plan: MinimisePlan,
    usable: Sequence[Exchange],
    found: Minimised,
    rate: tuple[int, int],
    asked: Asked,
) -> Minimal:
    """The smallest session with what both sides answered when it showed last."""
    signature = plan.wanted.signature
    divergence = next(
        each
        for each in asked.judgement.divergences
        if each.verdict == "divergent" and each.signature.startswith(signature)
    )
    *before, last = found.session
    response = asked.baseline.response if isinstance(asked.baseline, Answer) else None
    return Minimal(
        session=(*before, msgspec.structs.replace(last, response=response, error=None)),
        requests=found.requests,
        finished=found.finished,
        left_out=left_out(usable, found.session),
        hits=rate[0],
        trials=rate[1],
        beside=plan.concurrency - 1,
        divergence=plan.masker.mask_divergence(divergence),
        baseline=_told(asked.baseline, plan.masker),
        candidate=_told(asked.candidate, plan.masker),
    )


def _told(observation: Observation, masker: Masker) -> Said:
    """What one side answered, masked and cut."""
    if isinstance(observation, NoAnswer):
        return Said(status=f"no answer: {observation.kind}")
    assert isinstance(observation, Answer)
    response = observation.response
    headers = tuple(
        f"{name}: {cut(masker.mask_header(name, readable(value)), 200)}"
        for name, value in response.headers
        if name.lower() in _TOLD_HEADERS
    )
    return Said(status=str(response.status), headers=headers, body=_told_body(response, masker))


def _told_body(response: Response, masker: Masker) -> str:
    """The beginning of a body: as JSON is masked by its names, another text by what it shows."""
    codings = [] if response.decoded else header_values(response.headers, "content-encoding")
    try:
        whole = decode(response.body, codings, _DECODED_BODY)
    except UndecodableError:
        return f"({len(response.body)} bytes that are not what Content-Encoding says)"
    text = whole[:_READ_BODY].decode("utf-8", "replace")
    is_json = text.lstrip()[:1] in {"{", "[", '"'}
    return cut(masker.mask_json_value((), text) if is_json else masker.mask_text(text), _SHOWN_BODY)
