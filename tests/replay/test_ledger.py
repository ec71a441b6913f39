"""What a ledger commits, it commits once, whatever goes wrong around it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shadow.captures import Broken, Share
from shadow.errors import UnfinishedError
from shadow.events import Events
from shadow.masking import Masker
from shadow.model import Divergence, Exchange, Judgement, Outcome, Request
from shadow.replay.ledger import Ledger, is_kept, seq_of
from shadow.results.runs import RunInfo, Side
from shadow.results.store import Store

EXCHANGE = Exchange(id="x", request=Request(method="GET", target="/x"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "shadow.sqlite") as opened:
        yield opened


@pytest.fixture
def run_id(store: Store) -> str:
    return store.start_run(
        RunInfo(command="replay", baseline=Side(name="go"), candidate=Side(name="rust"))
    )


def test_a_progress_that_fails_lets_nothing_be_counted_twice(
    store: Store, run_id: str, tmp_path: Path
) -> None:
    def fail(_: int, __: int) -> None:
        raise BrokenPipeError

    with Events.open(str(tmp_path / "events.jsonl"), run_id) as events:
        ledger = Ledger(store=store, run_id=run_id, events=events, masker=Masker(), progress=fail)
        for number in range(3):
            ledger.broken(Broken(path="x", line=number, reason="odd"), ordinal=number)
        ledger.keep(EXCHANGE, "GET /x", Judgement(outcome=Outcome.MATCH), ordinal=3)
        with pytest.raises(BrokenPipeError):
            ledger.flush()
        ledger.flush(last=True)
    tally = store.load(run_id).tally
    assert (tally.broken, tally.read) == (3, 1)


def test_what_has_no_event_is_not_committed(store: Store, run_id: str) -> None:
    divergence = Divergence(
        where="body",
        kind="value_changed",
        path="$",
        path_pattern="$",
        signature="0" * 16,
        baseline="1",
        candidate="2",
    )
    judgement = Judgement(outcome=Outcome.DIVERGENT, divergences=(divergence,))
    with Events.open("/dev/full", run_id) as events:
        ledger = Ledger(store=store, run_id=run_id, events=events, masker=Masker())
        with pytest.raises(UnfinishedError, match="cannot write events"):
            ledger.keep(EXCHANGE, "GET /x", judgement, ordinal=0)
        ledger.flush(last=True)
    assert store.load(run_id).tally.read == 0
    assert 0 not in ledger.cursor


@pytest.mark.parametrize("of", [1, 2, 5])
def test_no_two_shares_give_one_number(of: int) -> None:
    shares = [Share(index, of) for index in range(of)]
    given = {seq_of(share, kept): (share.index, kept) for share in shares for kept in range(20)}
    assert len(given) == 20 * of
    for seq, (index, kept) in given.items():
        for share in shares:
            expected = share.index != index or kept < 7
            assert is_kept(seq, share, 7) == expected
