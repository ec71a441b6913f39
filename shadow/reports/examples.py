"""`shadow repro`: a finding's examples read back, from the store or whole from the capture."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from shadow.captures import read
from shadow.errors import ShadowError, UnfinishedError
from shadow.masking import WITHHELD, cut
from shadow.model import Exchange, Request, isomorphic
from shadow.reports.repro import Asked, Place, curl, http_file, is_http_inline
from shadow.reports.text import plain
from shadow.results.finding import Example, Finding
from shadow.results.runs import Run
from shadow.results.store import Store

_NAME_BYTES = 500  # where the store cuts the id of an exchange
_LISTED = "shadow report lists its findings"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the command is asked for."""

    signature: str
    run: str
    store: str
    captures: tuple[str, ...]
    baseline: str | None
    candidate: str | None
    http: str | None


def repro(wanted: Wanted) -> str:
    """Return the curl commands of a finding's examples, for both sides.

    Bodies that are no text are written to files, beside the `.http` file where one is asked
    for. Raises ShadowError where there is no such finding or exchange, and UnfinishedError
    where a file cannot be written.
    """
    finding, run = found_by(wanted)
    both = places(run, wanted)
    asks = _asks(finding, wanted)
    shown = [(title, file_of(asked, wanted)) for title, asked in asks]
    if wanted.http:
        write_http(wanted.http, asks, both)
    lines = [f"# {_title(finding)}"]
    lines += [
        f"# {each.variable} stands for where {plain(each.name)} listens"
        for each in both
        if not each.url
    ]
    for title, asked in shown:
        lines += ["", f"# {title}"]
        if not asked.whole:
            lines.append("# as the store keeps it: --capture FILE adds its headers and its body")
        for each in both:
            lines += [f"# {plain(each.name)}", curl(asked, each)]
    return "\n".join(lines) + "\n"


def found_by(wanted: Wanted) -> tuple[Finding, Run]:
    """The finding that is wanted, and its run. Raises ShadowError."""
    with Store.open(wanted.store, create=False) as opened:
        run = opened.load(wanted.run)
    return _finding(run, wanted), run


def places(run: Run, wanted: Wanted) -> tuple[Place, Place]:
    """Where both sides listen: as given, else as in the run."""
    return (
        Place(name=run.info.baseline.name, url=wanted.baseline or run.info.baseline.url),
        Place(name=run.info.candidate.name, url=wanted.candidate or run.info.candidate.url),
    )


def file_of(asked: Asked, wanted: Wanted) -> Asked:
    """Write the body to its file where it cannot stand in a command; the request with its path."""
    folder = Path(wanted.http).parent if wanted.http else Path()
    by_file = not asked.inline or (wanted.http is not None and not is_http_inline(asked))
    if asked.request.body and by_file:
        _write(folder / asked.body_file, asked.request.body)
    return msgspec.structs.replace(asked, body_file=str(folder / asked.body_file))


def write_http(path: str, asks: Sequence[tuple[str, Asked]], both: Sequence[Place]) -> None:
    """Write an `.http` file; the bodies are beside it. Raises UnfinishedError."""
    beside = [
        (title, msgspec.structs.replace(asked, body_file=Path(asked.body_file).name))
        for title, asked in asks
    ]
    _write(Path(path), http_file(beside, both).encode("utf-8", "replace"))


def _finding(run: Run, wanted: Wanted) -> Finding:
    findings = run.tally.findings
    found = [each for each in findings if each.signature.startswith(wanted.signature)]
    if not found or not wanted.signature:
        name = plain(wanted.signature)
        raise ShadowError(f"run {run.info.id} has no finding {name}", _LISTED)
    if len({each.signature for each in found}) > 1:
        name = plain(wanted.signature)
        raise ShadowError(f"run {run.info.id}: more than one finding begins with {name}", _LISTED)
    return next((each for each in found if each.verdict == "divergent"), found[0])


def _title(finding: Finding) -> str:
    return plain(f"{finding.signature} {finding.endpoint}: {_place(finding)}")


def _place(finding: Finding) -> str:
    where = finding.path_pattern or finding.where
    return f"{where}, {finding.class_id or finding.kind}"


def _asks(finding: Finding, wanted: Wanted) -> list[tuple[str, Asked]]:
    """The examples with what is known of their requests."""
    kept = _from_captures(finding, wanted.captures) if wanted.captures else {}
    asks = []
    for number, example in enumerate(finding.examples, 1):
        name = f"shadow-{finding.signature}-{number}.body"
        request = kept.get(example.exchange_id) or _from_store(example)
        if request is None:
            continue
        title = f"exchange {example.exchange_id}, {example.method} {example.target}"
        whole = example.exchange_id in kept
        asks.append((plain(title), Asked(request=request, whole=whole, body_file=name)))
    if not asks:
        raise ShadowError(
            f"the run keeps no request of {finding.signature}: its values were withheld",
            "name the capture it was made from: --capture FILE",
        )
    return asks


def _from_store(example: Example) -> Request | None:
    if example.target == WITHHELD:
        return None
    return Request(method=isomorphic(example.method), target=isomorphic(example.target))


def _from_captures(finding: Finding, captures: Sequence[str]) -> dict[str, Request]:
    """The requests of the examples as they were recorded, credentials and all."""
    wanted = {example.exchange_id for example in finding.examples}
    found: dict[str, Request] = {}
    for record in read(captures):
        if not isinstance(record, Exchange):
            continue
        name = cut(record.id, _NAME_BYTES)
        if name in wanted and name not in found:
            if record.request.truncated:
                raise ShadowError(
                    f"exchange {plain(name)}: its body was cut when it was recorded",
                    "without --capture the command has the method and the target",
                )
            found[name] = record.request
        if len(found) == len(wanted):
            break
    if not found:
        names = plain(", ".join(sorted(wanted)))
        raise ShadowError(
            f"{plain(', '.join(captures))}: no exchange {names}",
            "name the capture that the run was made from",
        )
    return found


def _write(path: Path, data: bytes) -> None:
    """Write a file for its owner alone: a request may hold credentials."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            with contextlib.suppress(OSError):  # /dev/null has no mode to change
                os.fchmod(descriptor, 0o600)
            file.write(data)
    except OSError as error:
        raise UnfinishedError(
            f"cannot write {path}: {error.strerror}", "choose another place with --http"
        ) from None
