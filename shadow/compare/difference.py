"""One difference between two observations, before it is judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Self

import msgspec

from shadow.compare.paths import Path
from shadow.model import Kind, Where


class Absent:
    """The value of a place that one side does not have."""

    _one: Self | None = None

    def __new__(cls) -> Self:
        """Return the one instance."""
        if cls._one is None:
            cls._one = super().__new__(cls)
        return cls._one

    def __repr__(self) -> str:
        return "ABSENT"

    def __reduce__(self) -> tuple[type[Absent], tuple[()]]:
        """Stay the one instance across processes."""
        return (Absent, ())


ABSENT: Final = Absent()


class Around:
    """The pair of objects that hold a place, read when somebody looks at them."""

    __slots__ = ("_pair", "_read")

    def __init__(self, read: Callable[[], tuple[Any, Any]]) -> None:
        self._read = read
        self._pair: tuple[Any, Any] | None = None

    @property
    def pair(self) -> tuple[Any, Any]:
        """The baseline's object and the candidate's."""
        if self._pair is None:
            self._pair = self._read()
        return self._pair


class Difference(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One difference at one place.

    In a JSON body `baseline` and `candidate` are JSON values as `json_text` reads them; in a
    header, a status, a transport failure or any other body they are text. `around` is the
    pair of objects that hold the place, where there is one.
    """

    where: Where
    kind: Kind
    path: Path = ()
    name: str | None = None
    """The place where it is no JSON path: a header name, or empty for a whole body."""
    baseline: Any = ABSENT
    candidate: Any = ABSENT
    detail: tuple[Any, Any] | str | None = None
    """Pair of statuses, of JSON types, or the kind of failure; part of the signature."""
    around: tuple[Any, Any] | Around | None = None
    spelling: str | None = None
    """For kind `spelling`: a class id, or the aspect that differs (`escape`, `number`)."""
    rule: str | None = None
    """The comparing rule that allows it (a tolerance), or None."""
    unfinished: bool = False
    """Reading or comparing stopped at the budget here: a larger one may tell something else."""
