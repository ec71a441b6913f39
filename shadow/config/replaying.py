"""The file and the flags → what `shadow replay` and `shadow noise learn` go by."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from shadow.captures import STDIN
from shadow.config.around import probes, refuse_commands, side_hooks
from shadow.config.builds import version_source
from shadow.config.correlating import correlation
from shadow.config.file import Config, load
from shadow.config.flags import Flags, selection
from shadow.config.judging import noise_profile, policy
from shadow.config.naming import endpoints
from shadow.config.redacting import hidden
from shadow.config.resources import resource_plan
from shadow.config.runs import run_info
from shadow.config.safety import abort_limits, may_write, safety
from shadow.config.targets import label, target, target_at
from shadow.errors import ConfigError
from shadow.masking import Hidden
from shadow.replay.options import Correlation, NoisePlan, ReplayOptions, ReplayPlan
from shadow.results.runs import Side
from shadow.sending.limits import Limits
from shadow.sending.target import Target

RECORDED: Final = "recorded"
"""In place of the baseline's URL: the capture's own responses."""


def replay_plan(flags: Flags) -> ReplayPlan:
    """Everything a replay goes by. Raises ConfigError, CaptureError."""
    if flags["rate"] is not None and flags["speed"] is not None:
        raise ConfigError("--rate and --speed exclude each other", "give one of them")
    config = load(flags["config"])
    recorded = flags["baseline"] == RECORDED
    baseline = None if recorded else target(config, "baseline", flags["baseline"])
    candidate = target(config, "candidate", flags["candidate"])
    sides = (
        Side(name=label(config, "baseline"), url=baseline.url if baseline else ""),
        Side(name=candidate.name, url=candidate.url),
    )
    captures = tuple(flags["captures"])
    secondary = _secondary(config, flags, recorded=recorded)
    refuse_commands(config, allowed=flags.get("allow_commands", False))
    correlated = correlation(config)
    _refuse_contradictions(config, flags, correlated, has_secondary=secondary is not None)
    return ReplayPlan(
        captures=captures,
        baseline=baseline,
        candidate=candidate,
        endpoints=endpoints(config),
        safety=safety(config, allow_writes=may_write(config, flags)),
        policy=policy(config, all_events=flags["all_events"]),
        selection=selection(flags),
        options=ReplayOptions(
            concurrency=flags["concurrency"],
            rate=flags["rate"],
            ceiling=flags["ceiling"],
            speed=flags["speed"],
            repeat=flags.get("repeat", 0),
            order=flags.get("order", "session"),
            sides=flags["sides"],
            seed=flags["seed"],
        ),
        limits=Limits(connections=flags["concurrency"], timeout_s=flags["timeout"]),
        info=run_info("replay", captures, sides, flags, config),
        secondary=secondary,
        noise=NoisePlan(
            twice=flags["noise"] == "twice",
            sample=flags["noise_sample"],
            profile=noise_profile(config, flags["noise_profile"]),
        ),
        resources=resource_plan(config, baseline, candidate),
        correlation=correlated,
        hooks=side_hooks(config, [each for each in (baseline, candidate) if each is not None]),
        probes=probes(config, live=baseline is not None),
        abort=abort_limits(config, flags),
        dry_run=flags["dry_run"],
        workers=flags["workers"],
        versions=(version_source(config, "baseline"), version_source(config, "candidate")),
    )


def _refuse_contradictions(
    config: Config, flags: Flags, correlated: Correlation, *, has_secondary: bool
) -> None:
    """Refuse what does not go together. Raises ConfigError."""
    pipes = [path for path in flags["captures"] if path == STDIN or Path(path).is_fifo()]
    if correlated.shifts and pipes:
        raise ConfigError(
            f"{pipes[0]}: times are moved from the beginning of a capture, and a pipe has none",
            "save it first, or take [[shift]] out",
        )
    if flags.get("order") == "global" and flags["workers"] > 1:
        raise ConfigError(
            "--order global is one exchange at a time, and --workers are several",
            "leave out one of them",
        )
    if config.state and flags["workers"] > 1:
        raise ConfigError(
            "[[state]] is asked about when all has been sent, and --workers end one by one",
            "leave out --workers",
        )
    if correlated and has_secondary:
        raise ConfigError(
            "--secondary has no values of its own: [[correlate]], [sessions] and [[shift]] know "
            "two sides",
            "learn noise with --noise twice instead",
        )


def _secondary(config: Config, flags: Flags, *, recorded: bool) -> Target | None:
    """The second Go instance. Raises ConfigError where there is no first one."""
    if flags["secondary"] is None:
        if recorded and flags["noise"] == "twice":
            raise ConfigError(
                "--noise twice needs a live baseline, and --go recorded has none",
                "give --go URL, or --noise-profile FILE with what was learned before",
            )
        return None
    if recorded:
        raise ConfigError(
            "--secondary is compared with a live baseline, and --go recorded has none",
            "give --go URL",
        )
    return target_at(config, "baseline", flags["secondary"], "--secondary", "secondary")


def learning_plan(flags: Flags) -> tuple[ReplayPlan, Hidden]:
    """Go against Go, the second instance or the first one again; and what is hidden."""
    if flags["baseline"] == RECORDED:
        raise ConfigError("noise learn needs a live service", "give --go URL")
    config = load(flags["config"])
    first = target(config, "baseline", flags["baseline"])
    again = _secondary(config, flags, recorded=False) or first
    flags = {**flags, **_LEARNING, "candidate": first.url, "secondary": None}
    plan = replay_plan(flags)
    own = plan.probes.databases[0]  # Rust's rows beside them would be learned as noise
    plan = msgspec.structs.replace(
        plan,
        candidate=again,
        probes=msgspec.structs.replace(plan.probes, databases=(own, own)),
        safety=safety(config, allow_writes=False),  # whatever `isolated` says
    )
    return plan, hidden(config)


_LEARNING: Final[dict[str, Any]] = {
    "allow_writes": False,
    "all_events": False,
    "ceiling": None,
    "dry_run": False,
    "noise": "off",
    "noise_profile": None,
    "noise_sample": 0.0,
    "rate": None,
    "sides": "in-turn",
    "speed": None,
    "workers": 1,
}
