"""What fuzzing found, and what it took."""

from __future__ import annotations

from typing import Literal

import msgspec

from shadow.model import Divergence

Ended = Literal["requests", "time", "exhausted", "findings", "interrupted", "died"]
"""Why nothing more was asked; `exhausted`: no request is left that was not asked before."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A signature that no unmutated seed showed."""

    divergence: Divergence
    """Masked."""
    endpoint: str
    position: int
    """Of the mutation: one may show several signatures."""
    kinds: tuple[str, ...]
    """What was done to the seed."""
    id: str
    """Of its exchange in the capture that is written; empty for a flaky one."""


class Death(msgspec.Struct, frozen=True, kw_only=True):
    """A service that took no connection any more."""

    name: str
    """Of the service."""
    requests: tuple[str, ...]
    """Method and target of what was in flight then: one of them it died of. Masked."""
    ids: tuple[str, ...]
    """Of these in the capture that is written."""


class FuzzSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One round of fuzzing; counts are of this round."""

    seed: int
    position: int
    """Where the next round goes on."""
    seeds: int
    asked: int
    """Requests that both services were asked: seeds, mutations, and those that confirm."""
    mutations: dict[str, int]
    """Mutations asked, by kind; one of two kinds counts at both."""
    held_back: int
    """Mutations that are writes, lack a value of their session, or cannot be sent."""
    incomparable: int
    """Of the seeds and the mutations."""
    hollow: int
    """Seeds whose recorded answer was a success and that the baseline refuses now."""
    writes: int
    """Exchanges of the capture that made no seed, being writes."""
    known: int
    """Signatures that the seeds show as they are."""
    new: tuple[Found, ...]
    flaky: tuple[Found, ...]
    """Signatures that were not there when the same request was asked twice more."""
    died: Death | None
    ended: Ended
    out: str
    """The capture of the findings; empty where there are none."""
    state: str
    duration_s: float
    exit_code: int

    @property
    def unexplained(self) -> tuple[Found, ...]:
        """New signatures without a class."""
        return tuple(each for each in self.new if each.divergence.class_id is None)

    @property
    def explained(self) -> tuple[Found, ...]:
        """New signatures with a class."""
        return tuple(each for each in self.new if each.divergence.class_id is not None)
