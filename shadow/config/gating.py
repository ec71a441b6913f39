"""`[gates]`, `[phases]` and `[webhook]` → what gates and phases go by."""

from __future__ import annotations

import difflib
import re
from typing import Final

import msgspec

from shadow.config.file import FILE_NAME, Config, named
from shadow.config.tables.gating import PhaseTable
from shadow.errors import ConfigError
from shadow.results.gates.criteria import PREVIOUS, Criteria
from shadow.rollout.deciding import PhasesPlan
from shadow.rollout.gating import GatePlan
from shadow.sending.webhook import Webhook, parse_webhook
from shadow.sidecar.ports.options import ServePlan, parse_listen

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
LATEST: Final = "latest"
_HINT: Final = "[gates.replay] with max_divergence_rate = 0.001 is a beginning"


def gate_plan(config: Config, phase: str) -> GatePlan:
    """What the gate of a phase goes by. Raises ConfigError for a phase that has none."""
    phase_order(config)
    if phase not in config.gates:
        near = difflib.get_close_matches(phase, config.gates, n=1)
        known = f"known are {', '.join(config.gates)}" if config.gates else _HINT
        raise ConfigError(
            f"no gate {phase} in {config.source or FILE_NAME}",
            f"did you mean {near[0]}?" if near else known,
        )
    return GatePlan(
        phase=phase,
        criteria=_criteria(config, phase),
        templates=tuple(config.endpoints.templates),
        owners=config.endpoints.owners,
        webhook=webhook(config),
    )


def phases_plan(config: Config) -> PhasesPlan:
    """What the ledger goes by: the phases in order, each with its gate. Raises ConfigError."""
    return PhasesPlan(
        order=phase_order(config),
        gates={name: gate_plan(config, name) for name in config.gates},
        webhook=webhook(config),
    )


def serve_plan(config: Config, store: str, listen: str) -> ServePlan:
    """What the read-only port goes by. Raises ConfigError, also where there is no gate."""
    host, port = parse_listen(listen)
    gates = phases_plan(config).gates
    if not gates:
        raise ConfigError(f"no gate in {config.source or FILE_NAME}", _HINT)
    return ServePlan(store=store, host=host, port=port, gates=gates)


def phase_order(config: Config) -> tuple[str, ...]:
    """The phases, first to last. Raises ConfigError for a name that cannot be one."""
    order = config.phases.order or list(config.gates)
    for name in config.gates:
        with named(config, "gates", name):
            _check_name(name)
            if name not in order:
                raise ConfigError(f"gates.{name} is not in phases.order", "add it there")
    with named(config, "phases", "order"):
        for name in order:
            _check_name(name)
        twice = next((name for name in order if order.count(name) > 1), None)
        if twice is not None:
            raise ConfigError(f"phase {twice} is named twice", "name it once")
    return tuple(order)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot be the name of a phase", "letters, digits, `_`, `.` and `-`"
        )


def _criteria(config: Config, phase: str) -> Criteria:
    table = config.gates[phase]
    limits = PhaseTable(max_incomparable=table.max_incomparable, max_hollow=table.max_hollow)
    if table == limits:
        with named(config, "gates", phase):
            raise ConfigError(f"gates.{phase} asks for nothing", "add max_divergence_rate = 0.001")
    if table.no_new_since == LATEST:
        with named(config, "gates", phase, "no_new_since"):
            raise ConfigError(
                f"gates.{phase}.no_new_since: the latest run may be the one in question",
                f'name a run, or "{PREVIOUS}": the one before of the same capture',
            )
    latency = table.max_latency_ratio
    bounds = ((50, latency.p50), (90, latency.p90), (99, latency.p99))
    asked = msgspec.structs.asdict(table)  # has the same names, but for one the same values
    asked["max_latency_ratio"] = tuple(pair for pair in bounds if pair[1] is not None)
    return Criteria(**asked)


def webhook(config: Config) -> Webhook | None:
    """Who is told, where somebody is. Raises ConfigError."""
    table = config.webhook
    if table.url is None and table.secret is None:
        return None
    with named(config, "webhook"):
        if table.url is None:
            raise ConfigError("webhook.url is missing", "add url = …")
        if table.secret is None:
            raise ConfigError(
                "webhook.secret is missing", 'add secret = "${SHADOW_WEBHOOK_SECRET}"'
            )
        return parse_webhook(table.url, table.secret, table.timeout_s)
