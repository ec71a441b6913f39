"""Whom `repro --minimise`, `races` and `fuzz` ask."""

from __future__ import annotations

from shadow.config.around import refuse_commands, side_hooks
from shadow.config.correlating import correlation
from shadow.config.file import Config, load
from shadow.config.flags import Flags
from shadow.config.judging import noise_profile, policy
from shadow.config.naming import endpoints
from shadow.config.safety import safety
from shadow.config.targets import target
from shadow.errors import ConfigError
from shadow.model import SIDES
from shadow.replay.asking import AskingPlan
from shadow.sending.limits import Limits


def asking_plan(flags: Flags) -> AskingPlan:
    """Both services and what is judged by. Raises ConfigError.

    `flags` are `config`, `baseline`, `candidate`, `allow_writes`, `timeout` in seconds, and
    `noise_profile`; `connections` where more than 64 are wanted, and `allow_commands`.
    """
    config = load(flags["config"])
    refuse_commands(config, allowed=flags.get("allow_commands", False))
    baseline = target(config, "baseline", flags["baseline"])
    candidate = target(config, "candidate", flags["candidate"])
    return AskingPlan(
        baseline=baseline,
        candidate=candidate,
        endpoints=endpoints(config),
        safety=safety(config, allow_writes=flags["allow_writes"]),
        policy=policy(config),
        limits=Limits(connections=flags.get("connections", 64), timeout_s=flags["timeout"]),
        noise=noise_profile(config, flags.get("noise_profile")),
        correlation=correlation(config),
        captures=tuple(flags.get("captures", ())),
        hooks=side_hooks(config, (baseline, candidate)),
    )


def refuse_shared(config: Config, flags: Flags) -> None:
    """Refuse targets that are not `isolated`: what is about to be sent was never recorded.

    A file that names a URL speaks of that one only. Raises ConfigError.
    """
    for side in SIDES:
        table = config.targets.of(side)
        is_meant = flags[side] in (None, table.url) or table.url is None
        if not table.isolated or not is_meant:
            raise ConfigError(
                f"targets.{side} is not isolated: made-up requests may do harm there",
                f"where nothing can, write isolated = true under [targets.{side}] in shadow.toml",
            )
