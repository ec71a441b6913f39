"""What goes to the process beside the loop and comes back: MessagePack behind its length.

Packing a pair takes 1 % of the time that judging it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

import msgspec

from shadow.model import Answer, Divergence, Exchange, Judgement, NoAnswer, Observation

LENGTH: Final = 4
"""Bytes before each frame, big-endian: how many follow."""


class Pair(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Two observations of one request. Of each side one of its two fields is present."""

    endpoint: str
    exchange: Exchange
    baseline: Answer | None
    no_baseline: NoAnswer | None
    candidate: Answer | None
    no_candidate: NoAnswer | None

    @classmethod
    def of(
        cls, exchange: Exchange, endpoint: str, baseline: Observation, candidate: Observation
    ) -> Self:
        """Make what is to be judged of one exchange."""
        return cls(endpoint, exchange, *_split(baseline), *_split(candidate))

    @property
    def observations(self) -> tuple[Observation, Observation]:
        """What both sides did, the baseline first."""
        baseline = self.baseline or self.no_baseline
        candidate = self.candidate or self.no_candidate
        assert baseline is not None
        assert candidate is not None
        return baseline, candidate


def _split(observation: Observation) -> tuple[Answer | None, NoAnswer | None]:
    return (observation, None) if isinstance(observation, Answer) else (None, observation)


class Learned(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What two baselines answered differently to one request."""

    endpoint: str
    differences: tuple[Divergence, ...]


class Asked(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was learned meanwhile, and then the pairs to judge."""

    learned: Sequence[Learned]
    pairs: Sequence[Pair]


class Verdict(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What came of one pair.

    Without a judgement it is too dear to be made there, or, with `failure`, judging it failed:
    what went wrong and where, without what it quotes.
    """

    judgement: Judgement | None = None
    other: tuple[Divergence, ...] | None = None
    """The divergences as they may be kept, where the judgement's own may not be."""
    failure: str = ""

    @property
    def masked(self) -> tuple[Divergence, ...]:
        """The divergences of the judgement as they may be kept."""
        if self.other is not None:
            return self.other
        return self.judgement.divergences if self.judgement is not None else ()


asked: Final = msgspec.msgpack.Decoder(Asked)
verdicts: Final = msgspec.msgpack.Decoder(tuple[Verdict, ...])
_encoder: Final = msgspec.msgpack.Encoder()


def framed(what: Asked | Sequence[Verdict]) -> bytes:
    """A frame of it. Raises UnicodeEncodeError for half a surrogate pair in a text of it."""
    data = _encoder.encode(what)
    return len(data).to_bytes(LENGTH, "big") + data
