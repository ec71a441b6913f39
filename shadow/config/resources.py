"""`[resources]` → where what the services use is read."""

from __future__ import annotations

from shadow.config.file import Config, named
from shadow.errors import ConfigError
from shadow.model import SideName
from shadow.replay.options import ResourcePlan
from shadow.resources.source import parse_source
from shadow.results.resources import Prices
from shadow.sending.target import Target


def resource_plan(config: Config, baseline: Target | None, candidate: Target) -> ResourcePlan:
    """Where what the services use is read. Raises ConfigError for what is no such place."""
    table = config.resources
    if (table.core_hour is None) != (table.gib_hour is None):
        raise ConfigError(
            f"{config.at('resources')}: resources: one price is missing",
            "give both core_hour and gib_hour",
        )
    sources: dict[SideName, str] = {}
    for found in (baseline, candidate):
        if found is None:
            continue
        text = config.targets.of(found.side).resources
        if text is not None:
            with named(config, "targets", found.side, "resources"):
                parse_source(text, found.url)
            sources[found.side] = text
    prices = None
    if table.core_hour is not None and table.gib_hour is not None:
        prices = Prices(core_hour=table.core_hour, gib_hour=table.gib_hour)
    return ResourcePlan(sources=sources, idle_s=table.idle_s, prices=prices)
