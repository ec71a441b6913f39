from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shadow.errors import ShadowError
from shadow.results.export import write_export
from shadow.results.lock import held
from shadow.results.record import Record
from shadow.results.resolve import is_file, load_run
from shadow.results.runs import RunInfo
from shadow.results.store import Store
from shadow.results.tally import Tally


def test_what_is_a_file_and_what_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("latest", "20261122", "mainrun"):
        Path(name).write_text("")
    assert not any(map(is_file, ("latest", "20261122", "20261122-130501-3f2a", "nothing")))
    assert all(map(is_file, ("mainrun", "./latest", "a/b", "main.run", "/srv/x")))


def test_a_run_of_the_store_and_of_a_file_are_the_same(
    store: Store, info: RunInfo, make_record: Callable[..., Record], tmp_path: Path
) -> None:
    run_id = store.start_run(info)
    tally, record = Tally(), make_record(0, session="s")
    tally.add(record)
    store.commit_segment(run_id, cursor="1", records=[record], tally=tally)
    store.finish_run(run_id, state="finished", exit_code=0, duration_s=1.0)
    kept = load_run("latest", store.place)
    assert (kept.run.info.id, kept.place) == (run_id, store.place)
    assert list(kept.evidence.endpoints) == ["GET /a"]
    assert not load_run("latest", store.place, evidence=False).evidence.endpoints
    path = tmp_path / "main.run"
    write_export(kept.run, kept.evidence, str(path))
    again = load_run(str(path), tmp_path / "no.sqlite")  # which is not looked for
    assert (again.run.info, again.place) == (kept.run.info, path)
    assert again.run.tally.to_json() == kept.run.tally.to_json()
    with pytest.raises(ShadowError, match="does not exist"):
        load_run("latest", tmp_path / "no.sqlite")
    with pytest.raises(ShadowError, match=r"cannot read run .*none\.run"):
        load_run(str(tmp_path / "none.run"), store.place)


def test_a_run_whose_process_is_gone_was_killed(store: Store, info: RunInfo) -> None:
    run_id = store.start_run(info)
    assert load_run(run_id, store.place).run.info.state == "killed"
    with held(store.place, run_id):
        assert load_run(run_id, store.place).run.info.state == "running"
