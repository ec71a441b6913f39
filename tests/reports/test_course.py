"""The course over earlier runs in the HTML report: small, and only where there are any."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from shadow.model import Outcome
from shadow.reports.page import COURSE_RUNS
from shadow.reports.show import export, show
from shadow.results.record import Record
from shadow.results.runs import RunState
from shadow.results.store import Store
from shadow.results.tally import Tally
from tests.reports.conftest import INFO, NIL

MakeRecord = Callable[[int], Record]


@pytest.fixture
def keep(tmp_path: Path, make_record: MakeRecord) -> Callable[..., str]:
    """Keep a run of forty exchanges, of which so many diverge, and return its id."""

    def kept(diverge: int, *, digest: str = "d1", state: RunState = "finished") -> str:
        info = msgspec.structs.replace(INFO, id="", digest=digest, state="running", started=None)
        tally = Tally()
        records = [
            msgspec.structs.replace(
                make_record(1),
                seq=seq,
                outcome=Outcome.DIVERGENT if seq < diverge else Outcome.MATCH,
                divergences=(NIL,) if seq < diverge else (),
            )
            for seq in range(40)
        ]
        for each in records:
            tally.add(each)
        with Store.open(tmp_path / "shadow.sqlite") as store:
            run_id = store.start_run(info)
            store.commit_segment(run_id, cursor="1", records=records, tally=tally)
            store.finish_run(run_id, state=state, exit_code=0, duration_s=1.0)
        return run_id

    return kept


def course(run: str, store: Path, **given: bool) -> str:
    """The section of the report of a run; empty where there is none."""
    text = show(
        run=run, form="html", show_all=False, store=str(store), **{"no_values": False, **given}
    )
    found = re.search(r'<section aria-labelledby="course">.*?</section>', text, re.DOTALL)
    return found[0] if found else ""


def test_a_first_run_has_none(keep: Callable[..., str], tmp_path: Path) -> None:
    keep(4, digest="another")
    keep(4, state="interrupted")
    assert course(keep(8), tmp_path / "shadow.sqlite") == ""


def test_the_runs_up_to_the_one_that_is_shown(keep: Callable[..., str], tmp_path: Path) -> None:
    first = keep(10)
    middle = keep(4)
    keep(40)
    found = course(middle, tmp_path / "shadow.sqlite")
    assert "over 2 runs" in found
    assert first in found
    assert found.count("<svg") == found.count("<polyline") == 2
    ends = re.findall(r'<td class="n">(.*?)</td>', found)
    assert ends[:2] == ends[2:] == ["25 %", "10 %"]
    assert "$[&#39;items&#39;]" in found


def test_an_exported_file_has_none(keep: Callable[..., str], tmp_path: Path) -> None:
    keep(10)
    store = tmp_path / "shadow.sqlite"
    run, out = keep(4), str(tmp_path / "main.run")
    export(run, out, store=str(store), no_values=False)
    assert course(out, store) == ""
    assert course(run, store, no_values=True) != ""


def test_it_is_bounded(keep: Callable[..., str], tmp_path: Path) -> None:
    runs = [keep(1) for _ in range(COURSE_RUNS + 2)]
    found = course("latest", tmp_path / "shadow.sqlite")
    assert f"over {COURSE_RUNS} runs" in found
    assert f"since {runs[2]}" in found
