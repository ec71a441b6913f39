"""`shadow prune`: deletes captures and runs that are older, or more, than is wanted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from shadow.captures.pruning import captures_in, too_many
from shadow.reports.text import plain
from shadow.results.store import Store


class PrunePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `shadow prune` goes by."""

    places: tuple[str, ...]
    older_than_s: float | None
    keep_bytes: int | None
    runs_older_than_s: float | None
    store: str
    dry_run: bool


def prune(plan: PrunePlan) -> Iterator[str]:
    """Delete by a plan, and say in lines what goes. Raises CaptureError and what the store does."""
    would = "would delete" if plan.dry_run else "deleted"
    if plan.places:
        captures = list(captures_in(plan.places))
        gone = too_many(
            captures,
            now=time.time(),
            older_than_s=plan.older_than_s,
            keep_bytes=plan.keep_bytes,
        )
        count = freed = 0
        for each in gone:
            if plan.dry_run or each.delete():
                count += 1
                freed += each.size
                yield f"{would} {plain(str(each.path))}: {each.size:,} bytes, {_day(each.written)}"
        yield f"{would} {count:,} of {len(captures):,} captures: {freed:,} bytes"
    if plan.runs_older_than_s is not None:
        before = datetime.now(UTC) - timedelta(seconds=plan.runs_older_than_s)
        with Store.open(plan.store, create=False) as store:
            count = store.forget_before(before, dry_run=plan.dry_run)
        yield f"{would} {count:,} runs that began before {before:%Y-%m-%d %H:%M}"


def _day(written: float) -> str:
    try:
        return f"of {datetime.fromtimestamp(written, UTC):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):  # a clock that is far off
        return "of no known day"
