"""`[targets.*.hooks]` and `[[state]]` → what is done around a run, each checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from shadow.config.file import Config, named
from shadow.config.tables.around import StateTable
from shadow.endpoints import path_of
from shadow.errors import ConfigError
from shadow.model import SIDES, Request, SideName
from shadow.replay.hooks import Hook, Moment, SideHooks
from shadow.replay.state import Probe, Probes, reads_only
from shadow.sending.fields import is_name, is_value
from shadow.sending.safety import SAFE_METHODS
from shadow.sending.target import Target
from shadow.sessions.rules import NAME


def side_hooks(config: Config, targets: Sequence[Target]) -> tuple[SideHooks, ...]:
    """The hooks of these targets. Raises ConfigError."""
    return tuple(
        SideHooks(
            target=target,
            hooks=_hooks(config, target.side),
            timeout_s=config.targets.of(target.side).hooks.timeout_s,
        )
        for target in targets
    )


def _hooks(config: Config, side: SideName) -> dict[Moment, Hook]:
    found: dict[Moment, Hook] = {}
    for moment in get_args(Moment):
        given: str | list[str] | None = getattr(config.targets.of(side).hooks, moment)
        if given is not None:
            with named(config, "targets", side, "hooks", moment):
                found[moment] = _hook(given, f"targets.{side}.hooks.{moment}")
    return found


def _hook(given: str | list[str], option: str) -> Hook:
    if isinstance(given, str):
        return Hook(request=_request(given, option))
    if not given or not given[0]:
        raise ConfigError(f"{option}: no command", 'write it like ["./seed.sh", "go"]')
    return Hook(command=tuple(given))


def _request(text: str, option: str) -> tuple[str, str]:
    method, space, target = text.partition(" ")
    if not space or not method.isupper() or not target.startswith("/") or not is_value(target):
        raise ConfigError(f"{option}: {text!a} is no request", 'write it like "POST /admin/reset"')
    return method, target


def refuse_commands(config: Config, *, allowed: bool) -> None:
    """Refuse to run what a config says, unless it was said that it may. Raises ConfigError.

    A config comes with a repository, and that may be somebody else's.
    """
    for side in () if allowed else SIDES:
        table = config.targets.of(side)
        given = [("auth", "command")] if table.auth is not None and table.auth.command else []
        given += [
            ("hooks", moment)
            for moment in get_args(Moment)
            if isinstance(getattr(table.hooks, moment), list)
        ]
        for keys in given:
            place = config.at("targets", side, *keys)
            raise ConfigError(
                f"{place}: targets.{side}.{'.'.join(keys)} runs a command of the config",
                "where you trust this file, add --allow-commands",
            )


def probes(config: Config, *, live: bool) -> Probes:
    """What of the state is compared. Raises ConfigError; `live` where there is a Go service."""
    if not config.state:
        return Probes()
    found: list[Probe] = []
    for number, entry in enumerate(config.state):
        with named(config, "state", number):
            if any(entry.name == other.name for other in found):
                raise ConfigError(
                    f"two probes are called {entry.name}", "give each [[state]] its own name"
                )
            found.append(_probe(entry, config))
    if not live:
        raise ConfigError(
            f"{config.at('state')}: [[state]] needs a live baseline, and --go recorded has none",
            "give --go URL, or another --config",
        )
    urls = [config.targets.of(side).database or "" for side in SIDES]
    return Probes(probes=tuple(found), databases=(urls[0], urls[1]))


def _probe(entry: StateTable, config: Config) -> Probe:
    if not NAME.fullmatch(entry.name):
        raise ConfigError(f"state: name {entry.name!a} is no name", "use letters, digits, - and _")
    if (entry.request is None) == (entry.sql is None):
        raise ConfigError("state: one of request and sql is wanted", "give exactly one")
    if entry.sql is not None:
        if not reads_only(entry.sql):
            raise ConfigError("state: sql is no single SELECT", "a probe only reads")
        for side in SIDES:
            if config.targets.of(side).database is None:
                raise ConfigError(
                    f"state: targets.{side}.database is missing",
                    f'database = "${{DATABASE}}" under [targets.{side}]',
                )
        return Probe(name=entry.name, after=entry.after, sql=entry.sql)
    method, target = _request(entry.request or "", "state.request")
    listed = f"{method} {path_of(target)}" in config.safety.reads
    if method not in SAFE_METHODS and not listed:
        raise ConfigError(
            f"state.request: {method} {path_of(target)} may write",
            "ask with GET, or list it under [safety] reads",
        )
    for name, value in entry.headers.items():
        if not is_name(name) or not is_value(value):
            raise ConfigError(f"state.headers: {name!a} cannot be sent", "keep it on one line")
    asked = Request(method=method, target=target, headers=tuple(entry.headers.items()))
    return Probe(name=entry.name, after=entry.after, request=asked)
