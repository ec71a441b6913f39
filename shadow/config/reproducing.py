"""`shadow repro`: which finding, and with `--minimise` whom to ask about it."""

from __future__ import annotations

import msgspec

from shadow.config.asking import asking_plan
from shadow.config.file import load
from shadow.config.flags import Flags
from shadow.config.redacting import hidden
from shadow.errors import ConfigError
from shadow.masking import Masker
from shadow.minimise import Budget
from shadow.replay.minimising import MinimisePlan
from shadow.reports.examples import Wanted, found_by


def wanted(flags: Flags) -> Wanted:
    """Which finding, and where it is looked for."""
    return Wanted(
        signature=flags["signature"],
        run=flags["run"],
        store=flags["store"],
        captures=tuple(flags["captures"]),
        baseline=flags["baseline"],
        candidate=flags["candidate"],
        http=flags["http"],
    )


def minimise_plan(flags: Flags) -> MinimisePlan:
    """Whom to ask: who was given, else the services of the run. Raises ConfigError.

    The file's are asked only where the run names none, or nothing but a mask.
    """
    asked = wanted(flags)
    if not asked.captures:
        raise ConfigError(
            "--minimise needs the whole request: its capture is missing", "add --capture FILE"
        )
    _, run = found_by(asked)
    config = load(flags["config"])
    urls = {
        side: flags[side] or _readable(info.url) or table.url
        for side, info, table in (
            ("baseline", run.info.baseline, config.targets.baseline),
            ("candidate", run.info.candidate, config.targets.candidate),
        )
    }
    return MinimisePlan(
        wanted=msgspec.structs.replace(asked, **urls),  # the commands name whom was asked
        asking=asking_plan({**flags, **urls, "noise_profile": None}),
        budget=Budget(requests=flags["max_requests"], seconds=flags["max_time"]),
        concurrency=flags["concurrency"],
        out=flags["out"],
        masker=Masker(hidden=hidden(config)),
    )


def _readable(url: str) -> str | None:
    return None if not url or "[masked:" in url else url
