"""The flags → where results go."""

from __future__ import annotations

from shadow.config.file import load
from shadow.config.flags import Flags
from shadow.config.gating import gate_plan
from shadow.config.redacting import hidden
from shadow.errors import ConfigError
from shadow.replay.delivery import Output


def output(flags: Flags) -> Output:
    """Where results go. Raises ConfigError."""
    if flags["since"] is not None and flags["fail_on"] != "new":
        raise ConfigError("--since goes with --fail-on new", "add --fail-on new")
    phase = flags.get("phase")
    return Output(
        store=flags["store"],
        events=flags["events"],
        reports=flags["reports"],
        as_json=flags["as_json"],
        quiet=flags["quiet"],
        no_values=flags["no_values"],
        hidden=hidden(load(flags.get("config"))),
        fail_on=flags["fail_on"],
        since=flags["since"],
        on_inconclusive=flags["on_inconclusive"],
        strict=flags["strict"],
        gate=None if phase is None else gate_plan(load(flags["config"]), phase),
    )
