"""What is kept of one exchange, and how the end of a run may revise it."""

from __future__ import annotations

from typing import Final, Literal, Self

import msgspec

from shadow.masking import NAME_BYTES, Masker, cut
from shadow.model import (
    Answer,
    Divergence,
    Exchange,
    Judgement,
    Observation,
    Outcome,
    Severity,
    Verdict,
    readable,
)

COMPARED: Final = frozenset({Outcome.MATCH, Outcome.EQUIVALENT, Outcome.DIVERGENT})
"""The outcomes of an exchange that was judged."""

_TARGET_BYTES: Final = 2000
_USUAL_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Seen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one service did, without the body. Times are whole microseconds.

    Either `status` or `no_answer` is present. The times are None for a recorded answer.
    """

    status: int | None = None
    no_answer: str | None = None
    service_us: int | None = None
    response_us: int | None = None

    @classmethod
    def of(cls, observation: Observation) -> Self:
        """Reduce an observation to what is kept of it."""
        timing = observation.timing
        service = response = None
        if timing is not None:
            service = response = _microseconds(timing.service_s)
            if timing.due != timing.sent:
                response = _microseconds(timing.response_s)
        if isinstance(observation, Answer):
            status = observation.response.status
            return cls(status=status, service_us=service, response_us=response)
        return cls(no_answer=observation.kind, service_us=service, response_us=response)


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000) if seconds > 0 else 0


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is kept of one exchange. Every text in it is masked, bounded and encodable."""

    seq: int
    """Position in the run, unique there, from 0."""
    exchange_id: str
    session: str | None = None
    endpoint: str
    method: str
    target: str
    """Readable text, not the wire's bytes."""
    outcome: Outcome
    reason: str = ""
    hollow: bool = False
    cause: str = ""
    """Why it is hollow, probably: counted, and not kept."""
    baseline: Seen | None = None
    candidate: Seen | None = None
    divergences: tuple[Divergence, ...] = ()
    spellings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        exchange: Exchange,
        judgement: Judgement,
        *,
        seq: int,
        endpoint: str,
        masker: Masker,
        baseline: Observation | None = None,
        candidate: Observation | None = None,
        masked: tuple[Divergence, ...] | None = None,
    ) -> Self:
        """Make the record of a judged exchange: masked here, once, for store and events.

        `masked` are its divergences where they have been masked already.
        """
        request, session, divergences = exchange.request, exchange.session, judgement.divergences
        target = readable(request.target[: 4 * _TARGET_BYTES])
        method, reason = request.method, judgement.reason
        return cls(
            seq=seq,
            exchange_id=cut(exchange.id, NAME_BYTES),
            session=None if session is None else masker.mask_and_cut(session, NAME_BYTES),
            endpoint=masker.mask_endpoint(endpoint),
            method=method if method in _USUAL_METHODS else cut(readable(method), 50),
            target=masker.mask_and_cut(target, _TARGET_BYTES),
            outcome=judgement.outcome,
            reason=cut(reason, NAME_BYTES) if reason else "",
            hollow=bool(judgement.hollow),
            cause=judgement.hollow,
            baseline=None if baseline is None else Seen.of(baseline),
            candidate=None if candidate is None else Seen.of(candidate),
            divergences=_masked(divergences, masker) if masked is None else masked,
            spellings=judgement.spellings,
        )

    def revised(self, revision: Revision) -> Record:
        """Return the record as the end of the run sees it."""
        divergences = list(self.divergences)
        for change in revision.changes:
            divergences[change.position] = msgspec.structs.replace(
                divergences[change.position],
                class_id=change.class_id,
                severity=change.severity,
                verdict=change.verdict,
                rule=change.rule,
                wrong_side=change.wrong_side,
            )
        return msgspec.structs.replace(
            self, outcome=revision.outcome, divergences=tuple(divergences)
        )


def _masked(divergences: tuple[Divergence, ...], masker: Masker) -> tuple[Divergence, ...]:
    return tuple(map(masker.mask_divergence, divergences)) if divergences else ()


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The settled judgement of one divergence: the one at `position` in its record."""

    position: int
    class_id: str | None
    severity: Severity
    verdict: Verdict
    rule: str | None
    wrong_side: Literal["baseline"] | None = None


class Revision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the end of a run makes of one exchange. `outcome` is a compared one."""

    seq: int
    outcome: Outcome
    changes: tuple[Change, ...] = ()
