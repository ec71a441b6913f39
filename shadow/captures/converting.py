"""From captures of any format to one file of another, exchange by exchange."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from shadow.captures.age import SUFFIX
from shadow.captures.formats import WRITINGS
from shadow.captures.reading import read
from shadow.captures.records import Broken, Record, Unsupported, UnwritableError, Writing
from shadow.captures.redact import Redactor
from shadow.captures.streams import STDIN
from shadow.captures.writer import open_writer
from shadow.errors import CaptureError, ConfigError
from shadow.model import Exchange

KEPT: Final = 5
"""Broken records that are told one by one."""
_COMPRESSED: Final = (".gz", ".zst")


class ConvertPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `shadow convert` goes by."""

    captures: tuple[str, ...]
    out: str
    to: str
    """The format's name, a key of `WRITINGS`."""
    redactor: Redactor | None = None
    recipients: tuple[str, ...] = ()
    """For whom it is encrypted."""
    strict: bool = False


class Converted:
    """What became of the records: every one is written, left out for a reason, or broken."""

    def __init__(self) -> None:
        self.written = 0
        self.left_out: Counter[str] = Counter()
        """Exchanges by the reason for which they are not in the file."""
        self.broken = 0
        self.first_broken: list[Broken] = []

    def add_broken(self, record: Broken) -> None:
        """Count a record that could not be read."""
        self.broken += 1
        if len(self.first_broken) < KEPT:
            self.first_broken.append(record)


def convert(
    records: Iterable[Record],
    out: str | Path,
    writing: Writing,
    *,
    change: Callable[[Exchange], Exchange] | None = None,
    recipients: Sequence[str] = (),
    strict: bool = False,
) -> Converted:
    """Write the exchanges of `records` to a file, each as `change` makes it.

    Raises CaptureError where no exchange is written, or where `strict` and a record is broken;
    then nothing is left, and what stood at `out` before stays. Raises as `open_writer`.
    """
    done = Converted()
    with open_writer(out, writing, recipients=recipients) as writer:
        for record in records:
            if isinstance(record, Broken):
                if strict:
                    raise CaptureError(
                        f"{record.path}:{record.line}: {record.reason}",
                        "mend or remove that record, or leave out --strict",
                    )
                done.add_broken(record)
            elif isinstance(record, Unsupported):
                done.left_out[record.reason] += 1
            else:
                try:
                    writer.write(change(record) if change else record)
                except UnwritableError as error:
                    done.left_out[str(error)] += 1
        done.written = writer.written
        if not done.written:
            raise CaptureError(_nothing(done), "shadow inspect shows what a capture holds")
    return done


def _nothing(done: Converted) -> str:
    reasons = [f"{count:,} left out: {reason}" for reason, count in done.left_out.most_common(3)]
    if done.first_broken:
        first = done.first_broken[0]
        reasons.append(f"{done.broken:,} broken: {first.path}:{first.line}: {first.reason}")
    return "no exchange to write" + "".join(f"; {reason}" for reason in reasons)


def run(plan: ConvertPlan) -> Iterator[str]:
    """Convert by a plan, and say in lines what became of it. Raises CaptureError."""
    records = read(plan.captures)
    change = plan.redactor.redact if plan.redactor else None
    done = convert(
        records,
        plan.out,
        WRITINGS[plan.to],
        change=change,
        recipients=plan.recipients,
        strict=plan.strict,
    )
    yield from missing(done)
    redacted = ", redacted" if plan.redactor else ""
    redacted += ", encrypted" if plan.recipients else ""
    written = "1 exchange" if done.written == 1 else f"{done.written:,} exchanges"
    yield f"{written} in {plan.out} ({WRITINGS[plan.to].name}{redacted})"


def missing(done: Converted) -> Iterator[str]:
    """Say in lines which records are not in the file."""
    for broken in done.first_broken:
        yield f"{broken.path}:{broken.line}: {broken.reason}"
    if done.broken > KEPT:
        yield f"and {done.broken - KEPT:,} more broken records"
    for reason, count in done.left_out.most_common():
        yield f"left out {count:,}: {reason}"


def format_of(out: str, to: str | None) -> str:
    """Return the format to write: the one that is named, else what the file's name says.

    Raises ConfigError for a name that is none.
    """
    known = ", ".join(WRITINGS)
    if out == STDIN:
        raise ConfigError("--out -: a capture is written to a file", "name one")
    if to is not None:
        if to not in WRITINGS:
            raise ConfigError(f"--to {to}: is no format that can be written", f"one of {known}")
        return to
    path = Path(out.removesuffix(SUFFIX))
    plain = path.with_suffix("") if path.suffix in _COMPRESSED else path
    for name, writing in WRITINGS.items():
        if plain.name.endswith(writing.suffix):
            return name
    raise ConfigError(f"--out {out}: its name tells no format", f"add --to with one of {known}")
