"""`--resume RUN`: the run's own arguments, and whether it can go on by what is there now."""

from __future__ import annotations

from typing import Final

import msgspec

from shadow import __version__
from shadow.config.flags import ARGUMENTS, Flags
from shadow.config.replaying import replay_plan
from shadow.errors import ConfigError
from shadow.replay.options import ReplayPlan
from shadow.results.runs import RunInfo
from shadow.results.store import Store

_MAY_CHANGE: Final = frozenset(
    {
        *("captures", "config"),  # their content may not
        *("ceiling", "concurrency", "rate", "speed", "timeout"),
        *("max_errors", "max_error_share", "max_latency"),
        *("fail_on", "on_inconclusive", "phase", "since", "strict"),
    }
)
"""Arguments that may differ from those of the run: no outcome depends on them."""


def resumed(flags: Flags) -> tuple[ReplayPlan, Flags]:
    """The plan of a run that goes on, and its flags: those given now, else the run's own.

    Raises ConfigError where the run is no replay or finished, and where the captures, the
    config or an argument on which outcomes depend is another one.
    """
    name = f"--resume {flags['resume']}"
    with Store.open(flags["store"], create=False) as store:
        info = store.load(flags["resume"]).info
    _check(info, name)
    given = {each: flags[each] for each in flags["explicit"]}
    for argument, value in given.items():
        before = info.arguments.get(argument)
        if argument in ARGUMENTS and argument not in _MAY_CHANGE and _plain(value) != before:
            raise ConfigError(
                f"{name}: the run has {argument.replace('_', '-')} {before}, not {value}",
                "leave the option out, or start a new run",
            )
    arguments = {each: _as_flag(value) for each, value in info.arguments.items()}
    flags = {**flags, **arguments, **given}
    plan = replay_plan(flags)
    for what, is_same in (
        ("capture", plan.info.digest == info.digest),
        ("config", plan.info.config_digest == info.config_digest),
        ("version of shadow", info.versions.get("shadow") == __version__),
        ("target", (plan.info.baseline, plan.info.candidate) == (info.baseline, info.candidate)),
    ):
        if not is_same:
            raise ConfigError(
                f"{name}: the {what} is another one than when the run began",
                "put it back as it was, or start a new run",
            )
    return msgspec.structs.replace(plan, info=info), flags


def _check(info: RunInfo, name: str) -> None:
    if info.command != "replay":
        raise ConfigError(f"{name}: is a {info.command}, which sends nothing", "run it again")
    if info.state == "finished":
        raise ConfigError(f"{name}: the run is finished", "shadow report shows it")
    if not info.digest:
        raise ConfigError(f"{name}: its capture was a pipe", "start a new run, from a file")


def _plain(value: object) -> object:
    """A flag as the store gives it back."""
    return list(value) if isinstance(value, tuple) else value


def _as_flag(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
