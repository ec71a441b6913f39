"""The flags → what `shadow fuzz` goes by."""

from __future__ import annotations

from pathlib import Path

from shadow.captures.openapi import read_document
from shadow.config.asking import asking_plan, refuse_shared
from shadow.config.file import load
from shadow.config.flags import Flags
from shadow.config.redacting import hidden
from shadow.fuzzing.described import requests
from shadow.replay.fuzzer import FuzzPlan


def fuzz_plan(flags: Flags) -> FuzzPlan:
    """Everything that fuzzing goes by. Raises ConfigError."""
    config = load(flags["config"])
    refuse_shared(config, flags)
    described = flags["openapi"]
    return FuzzPlan(
        asking=asking_plan({**flags, "connections": flags["concurrency"]}),
        captures=flags["captures"],
        described=() if described is None else tuple(requests(read_document(Path(described)))),
        seed=flags["seed"],
        max_requests=flags["max_requests"],
        max_time_s=flags["max_time"],
        concurrency=flags["concurrency"],
        minimise=not flags["no_minimise"],
        out=flags["out"],
        state=flags["state"] or f"{flags['out']}.state",
        resume=flags["resume"],
        as_json=flags["as_json"],
        hidden=hidden(config),
    )
