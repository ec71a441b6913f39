from __future__ import annotations

from shadow.errors import where
from shadow.sidecar.complaints import KINDS, TOLD_S, Complaints


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_each_kind_is_told_once_a_minute() -> None:
    told: list[str] = []
    clock = Clock()
    complain = Complaints(told.append, clock=clock)
    for number in range(3):
        complain("disk full")
        complain(f"judging x{number} failed", "judge")
    assert told == ["disk full", "judging x0 failed"]
    clock.now += TOLD_S - 1
    complain("disk full")
    assert len(told) == 2
    clock.now += 1
    complain("disk full")
    complain("judging x9 failed", "judge")
    assert told[2:] == ["disk full", "judging x9 failed"]


def test_what_is_always_another_message_is_one_kind_at_last() -> None:
    told: list[str] = []
    complain = Complaints(told.append, clock=Clock())
    for number in range(10 * KINDS):
        complain(f"no {number}")
    assert len(told) == KINDS + 1


def test_where_an_error_came_up_is_told_without_its_text() -> None:
    try:
        int("s3cr3t")
    except ValueError as error:
        said = where(error)
    assert said.startswith("ValueError at test_complaints.py:")
    assert "s3cr3t" not in said
    assert where(KeyError("x")) == "KeyError"
