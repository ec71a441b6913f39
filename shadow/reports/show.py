"""Reads runs back from the store and renders them."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import msgspec

from shadow.errors import ConfigError
from shadow.model import Outcome
from shadow.printable import printable
from shadow.reports import FORMATS, gates, page, terminal, wording
from shadow.results.export import write_export
from shadow.results.gates.verdicts import GateResult
from shadow.results.resolve import as_it_is, is_file, load_judged, load_run
from shadow.results.runs import Run, RunInfo
from shadow.results.store import Store
from shadow.results.summary import Summary, summarise, without_values
from shadow.results.tally import Tally
from shadow.results.trend import Trend, course


def show(*, run: str, form: str, show_all: bool, no_values: bool, store: str) -> str:
    """One run in one format. Raises ShadowError where there is no such run or format."""
    if form not in FORMATS:
        raise ConfigError(f"unknown format {form}", f"known are {', '.join(FORMATS)}")
    loaded, judged, place = load_judged(run, store)
    summary = summarise(loaded, judged=judged, store=readable_path(str(place)))
    if no_values:
        summary = without_values(summary)
    if form == "html":
        return page.render(summary, course=_course(loaded, summary, run, store))
    if form != "terminal":
        return FORMATS[form](summary)
    limit = None if show_all else terminal.SHOWN
    out = sys.stdout
    if out is None:
        return terminal.render(summary, limit=limit)
    return terminal.render(summary, width=width(out), color=colored(out), limit=limit)


def _course(run: Run, summary: Summary, where: str, store: str) -> Trend | None:
    """The course over the runs of the same capture up to this one; None where it is the first."""
    if is_file(where) or not run.info.digest:
        return None
    with Store.open(store, create=False) as opened:
        infos = opened.runs(digest=run.info.digest)
        places = [number for number, info in enumerate(infos) if info.id == run.info.id]
        before = [info for info in infos[places[0] + 1 :] if info.state == "finished"]
        earlier = [opened.load(info.id) for info in before[: page.COURSE_RUNS - 1]]
    if not earlier:
        return None
    signatures = dict.fromkeys(each.signature for each in wording.divergent(summary))
    return course([*reversed(earlier), run], list(signatures)[: page.COURSE_FINDINGS])


def export(run: str, out: str, *, store: str, no_values: bool) -> str:
    """Write a run to a portable file and say so. Raises ShadowError."""
    loaded = load_run(run, store)
    size = write_export(loaded.run, loaded.evidence, out, no_values=no_values)
    return f"{readable_path(out)}: run {loaded.run.info.id}, {size:,} bytes"


def gate_as_text(gate: GateResult) -> str:
    """What a gate says, for stdout."""
    out = sys.stdout
    if out is None:
        return gates.render(gate)
    return gates.render(gate, width=width(out), color=colored(out))


def list_runs(store: str, *, as_json: bool, limit: int) -> str:
    """The runs of a store, newest first, a line each."""
    with Store.open(store, create=False) as opened:
        infos = [as_it_is(opened.place, info) for info in opened.runs(limit=limit)]
        tallies = [opened.load(info.id).tally for info in infos]
    if as_json:
        return "".join(map(_as_json, infos, tallies))
    if not infos:
        return "no runs yet\n"
    head = (
        f"{'RUN':<22} {'COMMAND':<8} {'STATE':<12} {'EXIT':>4} {'READ':>9} {'DIVERGENT':>9}  OF\n"
    )
    rows = [
        f"{info.id:<22} {info.command:<8} {info.state:<12} {_code(info):>4} {tally.read:>9,} "
        f"{tally.outcomes[Outcome.DIVERGENT]:>9,}  {_of(info)}\n"
        for info, tally in zip(infos, tallies, strict=True)
    ]
    return head + "".join(rows)


def _as_json(info: RunInfo, tally: Tally) -> str:
    """What a run was, with its counts, on one line."""
    counts = {"read": tally.read, **{each.value: tally.outcomes[each] for each in Outcome}}
    return msgspec.json.encode({**msgspec.to_builtins(info), **counts}).decode() + "\n"


def _code(info: RunInfo) -> str:
    return "-" if info.exit_code is None else str(info.exit_code)


def _of(info: RunInfo) -> str:
    return printable(" ".join(info.captures))[:200]


def readable_path(path: str | os.PathLike[str]) -> str:
    """A path as text that can be stored: a name need not be UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


def width(stream: TextIO) -> int:
    """Columns of the terminal behind a stream, 60 to 140; 100 where there is none."""
    try:
        return max(60, min(140, os.get_terminal_size(stream.fileno()).columns))
    except (OSError, ValueError):
        return 100


def colored(stream: TextIO) -> bool:
    """Whether a stream is a terminal that shows colours and may (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
