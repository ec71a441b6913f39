from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shadow.judge import Policy
from shadow.masking import Masker
from shadow.model import Answer, Outcome
from shadow.results import tally as tally_module
from shadow.results.finding import Finding, finding_key
from shadow.results.record import Record, Revision
from shadow.results.store import Store
from shadow.results.tally import Tally
from shadow.settle import Memory
from shadow.settling import settle_run
from tests.sidecar.trial import answer, exchange, info, judged

ENDPOINT = "GET /v1/items/{id}"


class Log:
    def __init__(self) -> None:
        self.revisions: list[Revision] = []

    def revised(self, record: Record, revision: Revision) -> None:
        assert record.seq == revision.seq
        self.revisions.append(revision)


class Trial:
    """A run of pairs, of which some have no row."""

    def __init__(self, store: Store, pairs: list[tuple[str, str]], *, unkept: int = 0) -> None:
        self.store = store
        self.memory, self.log = Memory(), Log()
        self.run = store.start_run(info())
        records, tally = [], Tally()
        for seq, (go, rust) in enumerate(pairs):
            judgement = judged(self._answer(go), self._answer(rust))
            record = Record.of(
                exchange(seq), judgement, seq=seq, endpoint=ENDPOINT, masker=Masker()
            )
            tally.add(record)
            records.append(record)
            self.memory.remember(record, judgement)
        store.commit_segment(
            self.run, cursor="", records=records[: len(records) - unkept], tally=tally
        )

    @staticmethod
    def _answer(body: str) -> Answer:
        return answer(body)

    def findings(self) -> dict[str, Finding]:
        return {each.path_pattern: each for each in self.store.load(self.run).tally.findings}

    def settle(self, kept: dict[str, int] | None, tally: Tally | None = None) -> bool:
        return settle_run(
            self.store,
            self.log,
            self.run,
            self.memory,
            noise=None,
            policy=Policy(),
            kept=kept,
            tally=tally,
        )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.sqlite") as opened:
        yield opened


def test_a_run_with_all_its_records_is_settled(store: Store) -> None:
    trial = Trial(store, [('{"v":0}', '{"v":null}')] * 3)
    assert trial.settle(None)
    (finding,) = trial.findings().values()
    assert (finding.class_id, finding.exchanges) == ("zero-vs-null", 3)
    assert [each.seq for each in trial.log.revisions] == [0, 1, 2]


def test_a_finding_that_has_not_is_left_with_its_count(store: Store) -> None:
    both, one = ('{"v":0,"w":0}', '{"v":null,"w":null}'), ('{"w":0}', '{"w":null}')
    trial = Trial(store, [both] * 3 + [one] * 5, unkept=5)
    before = trial.findings()
    trial.settle({finding_key(each): 3 for each in before.values()})
    after = trial.findings()
    assert {path: (each.class_id, each.exchanges) for path, each in after.items()} == {
        "$['v']": ("zero-vs-null", 3),
        "$['w']": (None, 8),
    }
    assert {len(each.changes) for each in trial.log.revisions} == {1}
    assert store.load(trial.run).tally.outcomes[Outcome.DIVERGENT] == 8


def test_where_findings_were_dropped_nothing_is_settled(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally_module, "MAX_FINDINGS", 1)
    trial = Trial(store, [('{"v":0,"w":0}', '{"v":null,"w":null}')] * 3, unkept=1)
    (finding,) = trial.findings().values()
    assert not trial.settle({finding_key(finding): 3})
    assert trial.log.revisions == []
    assert trial.findings() == {finding.path_pattern: finding}


def test_counts_at_hand_need_not_be_loaded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial(store, [('{"v":1}', '{"v":2}')])
    tally = store.load(trial.run).tally

    def load(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Store, "load", load)
    assert not trial.settle(None, tally)
