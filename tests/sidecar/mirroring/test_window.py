from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.masking import Masker
from shadow.model import Judgement, Outcome
from shadow.results.finding import finding_key
from shadow.results.record import Record
from shadow.results.tally import Tally
from shadow.sidecar.mirroring import window as module
from shadow.sidecar.mirroring.window import AT_ONCE, NEWEST, Room, Window
from tests.sidecar.trial import answer, exchange, judged

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MATCH = Judgement(outcome=Outcome.MATCH)
ENDPOINT = "GET /v1/items/{id}"


def differing(*members: str) -> Judgement:
    """A judgement with a finding for each member."""
    go, rust = (",".join(f'"{name}":{value}' for name in members) for value in (1, 2))
    found = judged(answer(f"{{{go}}}"), answer(f"{{{rust}}}"))
    assert len(found.divergences) == len(members)
    return found


class Kept:
    """A window, and what was lost of it."""

    def __init__(self, **room: float) -> None:
        self.window = Window(Room(**room))  # type: ignore[arg-type]  # as given
        self.lost = 0

    def add(self, judgement: Judgement, endpoint: str = ENDPOINT) -> bool:
        record = Record.of(
            exchange(),
            judgement,
            seq=self.window.next_seq(),
            endpoint=endpoint,
            masker=Masker(),
        )
        return self.window.add(record, judgement, 1.0, self._lose)

    def _lose(self, count: int) -> None:
        self.lost += count

    def write(self) -> int:
        """Write all of it; return how many records that were."""
        count = 0
        while batch := self.window.batch():
            count += len(batch.records)
            self.window.written(batch.records)
        return count


def test_all_are_counted_and_the_first_of_a_finding_have_rows() -> None:
    kept = Kept(per_finding=3)
    rows = [kept.add(differing("a")) for _ in range(5)]
    assert rows == [True] * 3 + [False] * 2
    assert kept.write() == 3
    (finding,) = kept.window.tally.findings
    assert finding.exchanges == 5
    assert list(kept.window.kept.values()) == [3]
    assert kept.lost == 0


def test_a_finding_seen_after_a_flood_has_rows_all_the_same() -> None:
    kept = Kept(rows=10, per_finding=4)
    assert [kept.add(MATCH) for _ in range(12)] == [True] * 10 + [False] * 2
    assert [kept.add(differing("common")) for _ in range(9)] == [True] * 4 + [False] * 5
    assert kept.add(differing("common", "new"))  # with a new one comes what it is seen with
    assert kept.write() == 15
    assert kept.window.tally.read == 22
    assert kept.lost == 0


def test_differences_bound_a_window_not_exchanges() -> None:
    kept = Kept(rows=10)
    many = [
        kept.add(differing(*(f"m{place}{number}" for place in range(4)))) for number in range(4)
    ]
    assert many == [True, True, False, False]
    assert kept.write() == 2


def test_what_waits_is_bounded_and_findings_have_room_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "WAITING", 20)
    kept = Kept()
    assert [kept.add(MATCH) for _ in range(12)] == [True] * 10 + [False] * 2
    assert kept.lost == 2
    assert sum(kept.add(differing("a", "b", "c")) for _ in range(9)) == 6
    assert kept.lost == 5
    assert kept.window.waiting == 16
    batch = kept.window.batch()
    assert batch is not None
    assert len(batch.records) == 16
    assert kept.window.waiting == 16  # until the store has them
    assert not kept.add(MATCH)
    kept.window.written(batch.records)
    assert kept.window.waiting == 0
    assert kept.add(MATCH)
    assert kept.window.tally.read == 21


def test_what_has_no_row_anyway_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 4)
    kept = Kept(rows=4, per_finding=1)
    for _ in range(9):
        kept.add(differing("a"))
    assert kept.lost == 0


def test_a_batch_stays_the_same_until_it_is_written() -> None:
    kept = Kept()
    kept.add(MATCH)
    first = kept.window.batch()
    assert first is not None
    kept.add(MATCH)
    kept.window.skip("GET /", "write", 1.0)
    assert kept.window.batch() is first
    assert (first.number, len(first.records), first.tally.read) == (1, 1, 1)
    assert kept.window.tally.read == 3  # for those who look on
    assert kept.window.unwritten == 3
    kept.add(MATCH)
    assert kept.window.unwritten == 4
    kept.window.written(first.records)
    second = kept.window.batch()
    assert second is not None
    assert (second.number, len(second.records), second.tally.read) == (2, 2, 3)
    kept.window.written(second.records)
    assert kept.window.batch() is None
    assert kept.window.unwritten == 0


def test_a_batch_is_of_so_many_differences() -> None:
    kept = Kept()
    for _ in range(AT_ONCE):
        kept.add(differing("a", "b"))
    batch = kept.window.batch()
    assert batch is not None
    assert len(batch.records) == AT_ONCE / 2
    assert batch.tally.read == AT_ONCE


def test_counts_without_any_record_are_a_batch_too() -> None:
    kept = Kept()
    assert kept.window.batch() is None
    kept.window.skip("GET /", "write", 1.0)
    batch = kept.window.batch()
    assert batch is not None
    assert (batch.records, batch.tally.read) == ([], 1)


def test_records_that_no_store_takes_are_not_among_those_kept() -> None:
    kept = Kept()
    kept.add(differing("a"))
    kept.add(differing("a", "b"))
    batch = kept.window.batch()
    assert batch is not None
    assert kept.window.written(batch.records[:1]) == 1
    assert sorted(kept.window.kept.values()) == [0, 1]


def test_what_cannot_be_remembered_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RecursionError

    kept = Kept()
    monkeypatch.setattr(kept.window.memory, "remember", fail)
    with pytest.raises(RecursionError):
        kept.add(differing("a"))
    assert kept.window.batch() is None
    assert not kept.window.kept


def test_a_window_begins_with_its_first_exchange() -> None:
    window = Window(Room(window_s=60))
    assert not window.is_over(1e9)
    window.skip("GET /", "write", 100.0)
    window.skip("GET /", "write", 150.0)
    assert not window.is_over(159.9)
    assert window.is_over(160.0)


def test_the_newest_findings_are_shown_with_their_times() -> None:
    window = Window(Room())
    for number in range(NEWEST + 1):
        for member in ("old", f"m{number}"):
            judgement = differing(member)
            record = Record.of(exchange(), judgement, seq=0, endpoint=ENDPOINT, masker=Masker())
            window.show(record, NOON + timedelta(seconds=number))
    assert len(window.times) == NEWEST
    old = differing("old").divergences[0].signature
    assert window.times[old] == (NOON, NOON + timedelta(seconds=NEWEST))
    equivalent = msgspec.structs.replace(differing("e"), outcome=Outcome.EQUIVALENT)
    before = dict(window.times)
    window.show(Record.of(exchange(), equivalent, seq=0, endpoint=ENDPOINT, masker=Masker()), NOON)
    assert window.times == before


@given(st.lists(st.sampled_from(["clean", "a", "ab", "skip", "write", "fail", "refuse"])))
def test_whatever_the_store_does_every_exchange_is_counted_once(story: list[str]) -> None:
    kept = Kept(rows=12, per_finding=3)
    window, total, rows = kept.window, Tally(), list[Record]()
    counted = 0

    def write(*, refuses: bool = False) -> bool:
        batch = window.batch()
        if batch is not None:
            stored = () if refuses else batch.records
            total.merge(batch.tally)
            rows.extend(stored)
            assert window.written(stored) == len(batch.records) - len(stored)
        return batch is not None

    for step in story:
        if step in {"write", "refuse"}:
            write(refuses=step == "refuse")
        elif step == "fail":
            window.batch()
        elif step == "skip":
            window.skip(ENDPOINT, "write", 1.0)
            counted += 1
        else:
            kept.add(MATCH if step == "clean" else differing(*step))
            counted += 1
        assert total.read + window.unwritten == counted
    while write():
        pass
    assert total.read == window.tally.read == counted
    assert total.outcomes == window.tally.outcomes
    assert window.waiting == 0
    assert not any(window._weights.values())
    assert len({row.seq for row in rows}) == len(rows)
    by_key = Counter(finding_key(each) for row in rows for each in row.divergences)
    assert +window.kept == by_key


def test_no_record_is_wanted_of_more_exchanges_without_a_difference_than_get_a_row() -> None:
    kept = Kept()
    for _ in range(module.PLAIN_AT_ONCE):
        assert kept.window.wants_record(MATCH)
        assert kept.add(MATCH)
    assert not kept.window.wants_record(MATCH)
    assert kept.window.wants_record(differing("a"))
    assert kept.window.wants_record(Judgement(outcome=Outcome.INCOMPARABLE, reason="truncated"))
    kept.window.count(ENDPOINT, MATCH, answer(), answer(), 1.0)
    kept.write()
    assert kept.window.tally.read == module.PLAIN_AT_ONCE + 1
    assert kept.window.wants_record(MATCH)


def test_no_record_is_wanted_beyond_the_rows_of_a_window() -> None:
    kept = Kept(rows=1)
    assert kept.add(MATCH)
    assert not kept.window.wants_record(MATCH)
