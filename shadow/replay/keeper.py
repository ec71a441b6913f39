"""What a replay or a diff hands its outcomes to; `ledger` is the one that keeps them in a store."""

from __future__ import annotations

from collections.abc import Container
from typing import Protocol

from shadow.captures import Broken
from shadow.model import Divergence, Exchange, Judgement, Observation

Masked = tuple[Divergence, ...]


class Keeper(Protocol):
    """Takes what became of each record. `ordinal` is its place among the records read, from 0."""

    @property
    def cursor(self) -> Container[int]:
        """The ordinals of records that have their outcome, from an earlier process of the run."""

    @property
    def sent(self) -> Container[int]:
        """The ordinals of writes that were, or may have been, sent: none is sent again."""

    def keep(
        self,
        exchange: Exchange,
        endpoint: str,
        judgement: Judgement,
        baseline: Observation | None = None,
        candidate: Observation | None = None,
        *,
        ordinal: int,
        masked: Masked | None = None,
    ) -> None:
        """Keep the outcome of one exchange; `masked` is what `masked` made of its divergences."""

    def masked(self, judgement: Judgement) -> Masked:
        """The divergences as they may be kept. From any thread."""

    def broken(self, record: Broken, *, ordinal: int) -> None:
        """Count a line that could not be read."""

    def sends(self, *, ordinal: int) -> None:
        """Remember, whatever happens, that a write is about to be sent."""

    def flush(self) -> None:
        """Commit what has been kept."""
