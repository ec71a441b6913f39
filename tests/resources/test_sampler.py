from __future__ import annotations

import threading
from typing import Any

import pytest

from shadow.model import SideName
from shadow.resources import sampler as module
from shadow.resources.process import Process
from shadow.resources.sampler import Sampler
from shadow.resources.source import Sample, Source, Unreadable
from shadow.results.resources import Extent

WAIT_S = 30


class Counting:
    """A source of one CPU second a reading, which tells when it has been read often enough."""

    name = "counting"

    def __init__(self, error: Exception | None = None) -> None:
        self.count = 0
        self._error = error
        self._read = threading.Condition()

    def sample(self) -> Sample:
        with self._read:
            self.count += 1
            self._read.notify_all()
        if self._error is not None:
            raise self._error
        return Sample(cpu_s=float(self.count), memory_bytes=100)

    def wait_for(self, count: int) -> None:
        with self._read:
            assert self._read.wait_for(lambda: self.count >= count, WAIT_S)


def test_what_is_read_before_the_run_is_idle_and_the_rest_is_the_run() -> None:
    source = Counting()
    with Sampler({"baseline": source}, requests=lambda: 10 * source.count, every_s=0.01) as taking:
        source.wait_for(4)
        taking.begin()
        source.wait_for(source.count + 8)
    idle, run = taking.readings("baseline")
    assert len(idle) >= 3
    assert len(run) >= 8
    assert [each.cpu_s for each in (*idle, *run)] == [float(n + 1) for n in range(source.count)]
    use = taking.uses()["baseline"]
    assert use.source == "counting"
    assert use.cpu_s_per_1000 is not None
    assert use.peak_bytes == 100
    both = taking.resources()
    assert (both.baseline, both.candidate, both.cpu_ratio) == (use, None, None)
    assert both.machine_busy is None or 0 <= both.machine_busy <= 1


def test_both_sides_are_compared() -> None:
    baseline, candidate = Counting(), Counting()
    sources: dict[SideName, Source] = {"baseline": baseline, "candidate": candidate}
    with Sampler(sources, requests=lambda: 10 * baseline.count, every_s=0.001) as taking:
        taking.begin()  # at once: nothing is known of idling, and nothing is taken off
        candidate.wait_for(20)
    found = taking.resources()
    assert found.baseline is not None
    assert found.baseline.cpu_s_per_1000 is not None
    assert found.baseline.cpu_s_per_1000.median == pytest.approx(100)
    assert found.cpu_ratio is not None
    assert found.cpu_ratio.median == pytest.approx(1)


def test_begin_and_end_take_a_reading_at_once() -> None:
    source = Counting()
    with Sampler({"candidate": source}, requests=lambda: 0, every_s=3600) as taking:
        source.wait_for(1)
        taking.begin()
        source.wait_for(2)
    assert source.count == 3
    assert [len(each) for each in taking.readings("candidate")] == [1, 2]


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (Unreadable("process 7 has ended"), "process 7 has ended"),
        (RuntimeError("value: secret"), "counting: RuntimeError"),
    ],
)
def test_a_source_that_fails_is_a_note_and_the_other_goes_on(error: Exception, note: str) -> None:
    failing, fine = Counting(error), Counting()
    with Sampler(
        {"baseline": failing, "candidate": fine}, requests=lambda: 0, every_s=0.01
    ) as taking:
        taking.begin()
        fine.wait_for(3)
    assert taking.uses()["baseline"].notes == (note,)
    assert taking.uses()["candidate"].memory_bytes is not None


def test_a_long_run_keeps_a_bounded_number_of_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_READINGS", 10)
    source = Counting()
    with Sampler({"baseline": source}, requests=lambda: 0, every_s=0.0001) as taking:
        source.wait_for(1)
        taking.begin()
        source.wait_for(40)
    _, run = taking.readings("baseline")
    assert len(run) <= 10
    seen = [each.cpu_s or 0 for each in run]
    assert seen == sorted(seen)
    assert seen[-1] == source.count


class Failing(Counting):
    """A source that cannot be read the second, the fourth time and so on."""

    def sample(self) -> Sample:
        sample = super().sample()
        if self.count % 2 == 0:
            raise Unreadable("answered 503")
        return sample


def test_readings_taken_together_share_a_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_READINGS", 20)
    failing, fine = Failing(), Counting()
    with Sampler(
        {"baseline": failing, "candidate": fine}, requests=lambda: 10 * fine.count, every_s=0.0001
    ) as taking:
        taking.begin()
        fine.wait_for(60)
    runs = [taking.readings(side)[1] for side in ("baseline", "candidate")]
    for run in runs:
        assert all(each.tick == each.cpu_s for each in run), "both are read once a tick"
    ticks = [{each.tick for each in run} for run in runs]
    assert ticks[0] == {tick for tick in ticks[1] if tick % 2}, "what one keeps the other keeps"


def test_how_much_of_the_run_was_read_is_known() -> None:
    failing, fine = Counting(Unreadable("answered 503")), Counting()
    with Sampler(
        {"baseline": failing, "candidate": fine}, requests=lambda: 10 * fine.count, every_s=0.001
    ) as taking:
        fine.wait_for(3)
        assert taking.uses()["candidate"].memory_read is None, "the run has not begun"
        taking.begin()
        fine.wait_for(fine.count + 20)
    uses = taking.uses()
    assert uses["candidate"].memory_read == Extent(share=1.0, until=1.0)
    assert uses["baseline"].memory_read == Extent(share=0.0, until=0.0)


def test_a_real_process_is_measured(busy: Any) -> None:
    requests = [0]
    source = Process(busy.process.pid)
    with Sampler({"baseline": source}, requests=lambda: requests[0], every_s=0.05) as taking:
        taking.begin()
        for _ in range(4):
            busy.do("burn")
            requests[0] += 100
    _, run = taking.readings("baseline")
    assert run[-1].cpu_s is not None
    assert run[0].cpu_s is not None
    assert 0.8 <= run[-1].cpu_s - run[0].cpu_s <= 5
    assert taking.uses()["baseline"].cpu_s_per_1000 is not None
