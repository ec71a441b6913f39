"""The file and the flags → what `shadow diff` and `shadow demo` go by."""

from __future__ import annotations

from importlib import resources
from typing import Any, Final

from shadow.config.file import load
from shadow.config.flags import Flags, selection
from shadow.config.judging import noise_profile, policy
from shadow.config.naming import endpoints
from shadow.config.runs import run_info
from shadow.config.targets import LABELS, label
from shadow.replay.options import DiffPlan
from shadow.results.runs import Side


def diff_plan(flags: Flags) -> DiffPlan:
    """Everything a diff goes by. Raises ConfigError, CaptureError."""
    config = load(flags["config"])
    sides = (Side(name=label(config, "baseline")), Side(name=label(config, "candidate")))
    captures = (flags["baseline"], flags["candidate"])
    return DiffPlan(
        baseline=flags["baseline"],
        candidate=flags["candidate"],
        join=flags["join"],
        endpoints=endpoints(config),
        policy=policy(config, all_events=flags["all_events"]),
        selection=selection(flags),
        info=run_info("diff", captures, sides, flags, config),
        profile=noise_profile(config, flags["noise_profile"]),
        workers=flags["workers"],
    )


def demo_plan(flags: Flags) -> DiffPlan:
    """`shadow demo`: `shadow diff` on the two captures inside the package."""
    folder = resources.files("shadow") / "demo_data"
    captures: Flags = {side: str(folder / f"{LABELS[side]}.jsonl.gz") for side in LABELS}
    noise = flags["noise_profile"] or str(folder / "noise.json")
    given = {**flags, **_NO_SELECTION, **captures, "join": "id", "noise_profile": noise}
    return diff_plan(given)


_NO_SELECTION: Final[dict[str, Any]] = {
    "sample": 1.0,
    "methods": (),
    "endpoint": (),
    "exclude": (),
    "limit": None,
    "seed": 0,
    "workers": 1,
}
