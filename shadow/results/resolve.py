"""A RUN as people name it: an id, the beginning of one, `latest`, or an exported file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from shadow.results.database import Place
from shadow.results.evidence import Evidence
from shadow.results.export import read_export
from shadow.results.judged import Judged, judge_evidence, why_withheld
from shadow.results.lock import is_held
from shadow.results.runs import Run, RunInfo
from shadow.results.store import Store

_ID: Final = re.compile(r"latest|[0-9][0-9a-f-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRun:
    """A run with what its rows say, wherever it was kept."""

    run: Run
    evidence: Evidence
    """Empty where it was not asked for."""
    place: Place
    """The store or the file it is from."""


def is_file(where: str) -> bool:
    """Whether a RUN names an exported file.

    One with a slash or a dot does, there or not: `./20261122` is a file whatever it is called.
    So does the name of a file that is no id.
    """
    if "/" in where or "." in where:
        return True
    return _ID.fullmatch(where) is None and Path(where).is_file()


def load_run(where: str, store: str | Place, *, evidence: bool = True) -> LoadedRun:
    """Return the run that `where` names, from a file or from the store.

    `evidence` false leaves the rows of the store unread. Raises ShadowError where there is no
    such run or file, and where a file is not what it should be.
    """
    if is_file(where):
        run, found = read_export(where)
        return LoadedRun(run=run, evidence=found, place=Path(where))
    with Store.open(store, create=False) as opened:
        run = opened.load(where)
        run = Run(info=as_it_is(opened.place, run.info), tally=run.tally)
        found = opened.evidence(run) if evidence else Evidence(())
        return LoadedRun(run=run, evidence=found, place=opened.place)


def load_judged(where: str, store: str | Place) -> tuple[Run, Judged, Place]:
    """Return a run, what its evidence comes to, and the place it is from. Raises as `load_run`."""
    if is_file(where):
        loaded = load_run(where, store)
        return loaded.run, judge_evidence(loaded.run, loaded.evidence), loaded.place
    with Store.open(store, create=False) as opened:
        run = opened.load(where)
        run = Run(info=as_it_is(opened.place, run.info), tally=run.tally)
        return run, judged_in(opened, run), opened.place


def judged_in(store: Store, run: Run) -> Judged:
    """Return what the evidence of a run comes to: as kept at its end, else judged now."""
    kept = store.judged(run.info.id)
    if kept is not None:
        return kept
    return judge_evidence(run, store.evidence(run, pairs=why_withheld(run.info) is None))


def as_it_is(store: Place, info: RunInfo) -> RunInfo:
    """A run that is entered as running, and of which no process is alive, was killed."""
    if info.state != "running" or is_held(store, info.id):
        return info
    return msgspec.structs.replace(info, state="killed")
