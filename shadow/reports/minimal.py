"""The smallest reproduction of a finding, as text: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from shadow.model import Divergence, Exchange, readable
from shadow.reports.examples import Wanted, file_of, places, write_http
from shadow.reports.repro import Asked, curl
from shadow.reports.text import plain, plural
from shadow.results.runs import Run


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a side answered: masked and cut."""

    status: str
    headers: tuple[str, ...] = ()
    body: str = ""


class Minimal(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest session that shows a finding, and what is known of it."""

    session: tuple[Exchange, ...]
    requests: int
    """What it took, to each side."""
    finished: bool
    left_out: Mapping[str, int]
    """How many of each kind are gone, by a noun in the singular."""
    hits: int
    trials: int
    """The whole session showed it in `hits` of so many."""
    beside: int
    """Other requests that were in flight with it."""
    divergence: Divergence
    baseline: Said
    candidate: Said


def render(minimal: Minimal, run: Run, wanted: Wanted) -> str:
    """Return it as commands of a shell and comments. Raises UnfinishedError for a full disk."""
    both = places(run, wanted)
    asks = [
        (
            plain(f"{number}. {each.request.method} {readable(each.request.target)}"),
            file_of(
                Asked(
                    request=each.request,
                    whole=True,
                    body_file=f"shadow-{wanted.signature}-{number}.body",
                ),
                wanted,
            ),
        )
        for number, each in enumerate(minimal.session, 1)
    ]
    if wanted.http:
        write_http(wanted.http, asks, both)
    lines = [f"# {each}" for each in _about(minimal)]
    for place, said in zip(both, (minimal.baseline, minimal.candidate), strict=True):
        lines += ["", f"# {plain(place.name)}"]
        lines += [curl(asked, place) for _, asked in asks]
        lines += [f"# {plain(each)}" for each in _answer(said)]
    return "\n".join(lines) + "\n"


def _about(minimal: Minimal) -> Iterator[str]:
    found = minimal.divergence
    where = found.path or found.where
    yield plain(f"{found.signature} {where}: {_value(found.baseline)} | {_value(found.candidate)}")
    if minimal.beside:
        yield f"with {plural(minimal.beside, 'request')} of its endpoint beside it"
    showed = f"it showed in {minimal.hits} of {minimal.trials:,} tries"
    yield showed if minimal.hits == minimal.trials else f"flaky: {showed}"
    before = len(minimal.session) - 1
    needed = f"it needs {plural(before, 'request')} before it" if before else "one request"
    yield f"{needed}; {plural(minimal.requests, 'request')} asked of each side to find that"
    if minimal.left_out:
        gone = (plural(count, kind) for kind, count in minimal.left_out.items())
        yield f"left out: {', '.join(gone)}"
    if not minimal.finished:
        yield "the budget is used up: it may become smaller (--max-requests, --max-time)"


def _value(text: str | None) -> str:
    return "(absent)" if text is None else text


def _answer(said: Said) -> Iterator[str]:
    yield f"→ {said.status}"
    yield from (f"  {each}" for each in said.headers)
    yield from (f"  {each}" for each in said.body.splitlines())
