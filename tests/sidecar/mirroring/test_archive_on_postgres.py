from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shadow.errors import UnfinishedError
from shadow.results.lock import is_held
from tests.postgres import Postgres, needs_postgres
from tests.sidecar.mirroring.test_archive import DIVERGENT, MATCH, Trial

pytestmark = needs_postgres


@pytest.fixture
def served(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    monkeypatch.chdir(tmp_path)  # for the logs
    trial = Trial(postgres.database())
    trial.archive.open()
    yield trial
    trial.archive.close()


def test_a_server_that_goes_and_comes_back(served: Trial, postgres: Postgres) -> None:
    assert served.write(MATCH)
    run, store = served.archive.run_id, served.archive.store
    assert store is not None
    late = served.batch(DIVERGENT)
    postgres.stop()
    try:
        for _ in range(2):
            assert served.put(late) is None
            served.archive.check()
        assert "cannot be reached" in served.archive.error
    finally:
        postgres.start()
    assert served.put(late) == late.records
    assert served.archive.error == ""
    assert is_held(store.place, run)  # though the server had let go of it
    assert served.finish()
    assert served.read() == 2
    assert len(served.told) == len(set(served.told))


def test_a_server_that_was_restarted_unseen_learns_that_the_window_goes_on(
    served: Trial, postgres: Postgres
) -> None:
    assert served.write(MATCH)
    store = served.archive.store
    assert store is not None
    postgres.stop()
    postgres.start()
    assert not is_held(store.place, served.archive.run_id)
    served.archive.check()
    assert is_held(store.place, served.archive.run_id)


def test_a_server_that_is_away_at_first(postgres: Postgres, tmp_path: Path) -> None:
    trial = Trial(postgres.database(), events=str(tmp_path / "log"))
    postgres.stop()
    try:
        with pytest.raises(UnfinishedError):
            trial.archive.open()
        assert trial.archive.error
        trial.archive.check()
        assert trial.archive.store is None
    finally:
        postgres.start()
    trial.archive.check()
    assert trial.archive.error == ""
    assert trial.write(MATCH)
    trial.archive.close()
