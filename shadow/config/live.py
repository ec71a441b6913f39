"""`[guards]`, `[redact]`, the targets and the flags → what the sidecar's commands go by."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from typing import Final

import msgspec

from shadow import __version__
from shadow.compare.noise import NoiseProfile
from shadow.config.builds import build
from shadow.config.captures import recipients
from shadow.config.file import FILE_NAME, Config, load, named
from shadow.config.flags import Flags
from shadow.config.gating import gate_plan, webhook
from shadow.config.judging import noise_profile, policy
from shadow.config.naming import endpoints
from shadow.config.redacting import hidden, redaction
from shadow.config.rules import accept_rules
from shadow.config.runs import config_digest
from shadow.config.safety import denied, safety
from shadow.config.targets import target, target_at
from shadow.config.units import octets, seconds
from shadow.errors import ConfigError
from shadow.model import SIDES, SideName
from shadow.results.runs import RunInfo, Side
from shadow.rollout.routes import TOKEN_VARIABLE, admin_token
from shadow.sending.limits import Limits
from shadow.sending.safety import refuse_denied
from shadow.sending.target import Target, parse_target
from shadow.sidecar.canary.guards import GuardPolicy
from shadow.sidecar.mirroring.mirror import MirrorOptions
from shadow.sidecar.mirroring.window import Room
from shadow.sidecar.plans import Address, AdminPlan, RecordPlan, SidecarPlan, parse_session
from shadow.sidecar.ports.options import parse_listen


def sidecar_plan(command: str, flags: Flags) -> SidecarPlan:
    """Everything that `shadow proxy` or `shadow sink` goes by. Raises ConfigError."""
    config = load(flags["config"])
    baseline = live_target(target(config, "baseline", flags["baseline"]))
    candidate = live_target(target(config, "candidate", flags["candidate"]))
    _refuse_unsafe(command, config, flags)
    if command == "proxy":
        _refuse_detours(config, baseline, candidate)
    timeout_s = seconds(flags["timeout"], "--timeout")
    return SidecarPlan(
        listen=parse_listen(flags["listen"], "--listen"),
        status=address(flags["status"], "--status"),
        admin=admin_plan(flags),
        baseline=baseline,
        candidate=candidate,
        secondary=_secondary(config, flags),
        noise_twice=flags["noise"] == "twice",
        limits=Limits(connections=flags["concurrency"], timeout_s=timeout_s),
        mirror=MirrorOptions(
            queue=flags["queue"],
            queue_bytes=octets(flags["queue_bytes"], "--queue-bytes"),
            in_flight=flags["concurrency"],
            connect_rate=flags["connect_rate"],
        ),
        endpoints=endpoints(config),
        safety=safety(config, allow_writes=flags["allow_writes"]),
        policy=policy(config),
        profile=noise_profile(config, flags["noise_profile"]) or NoiseProfile(),
        guards=guard_policy(config),
        version=flags["rust_version"] or "",
        flags=flags.get("flags"),
        session=parse_session(flags["session"]) if flags["session"] else None,
        sample=flags["sample"],
        info=_info(command, config, flags, baseline, candidate),
        store=flags["store"],
        events=flags["events"],
        no_values=flags["no_values"],
        hidden=hidden(config),
        room=Room(window_s=seconds(flags["window"], "--window")),
        keep_windows=flags["keep_windows"],
        gates={name: gate_plan(config, name) for name in config.gates},
        webhook=webhook(config),
        traces=flags["traces"],
        drain_s=seconds(flags["drain"], "--drain"),
    )


def live_target(target: Target) -> Target:
    """The target as live traffic reaches it: by its own name for itself. Raises ConfigError."""
    if target.auth is not None:
        raise ConfigError(
            f"targets.{target.side}.auth is for replays: live requests bring their own",
            "use another --config for live traffic",
        )
    return replace(target, keep_host=True)


def _refuse_unsafe(command: str, config: Config, flags: Flags) -> None:
    """Refuse writes to a service that is not isolated: a sink sends them to both."""
    sides: tuple[SideName, ...] = SIDES if command == "sink" else ("candidate",)
    for side in sides:
        table = config.targets.of(side)
        if flags["allow_writes"] and not table.isolated:
            place = config.at("targets", side) if config.source else FILE_NAME
            raise ConfigError(
                f"--allow-writes: {place}: the {side} is not marked isolated",
                f"add isolated = true under [targets.{side}] where its writes matter to nobody",
            )


def _refuse_detours(config: Config, *targets: Target) -> None:
    """Refuse what stands in for a target: clients are handed on by HTTP/1.1, directly."""
    for each in targets:
        for key, given in (("http2", each.http2), ("proxy", each.proxy is not None)):
            if given:
                place = config.at("targets", each.side, key)
                raise ConfigError(
                    f"{place}: targets.{each.side}.{key} does not go with live traffic",
                    "shadow proxy speaks HTTP/1.1 to both services, and directly",
                )


def _secondary(config: Config, flags: Flags) -> Target | None:
    if flags["secondary"] is None:
        return None
    found = target_at(config, "baseline", flags["secondary"], "--secondary", "secondary")
    return live_target(found)


def address(text: str | None, option: str) -> Address | None:
    """Where a port listens; None for `off`. Raises ConfigError."""
    return None if text in (None, "", "off") else parse_listen(str(text), option)


def admin_plan(flags: Flags) -> AdminPlan | None:
    """The admin port, where there is a token for it. Raises ConfigError."""
    place = address(flags["admin"], "--admin")
    if place is None:
        return None
    file, given = flags["admin_token_file"], os.environ.get(TOKEN_VARIABLE, "")
    if file is None and not given.strip():
        raise ConfigError(
            "--admin: there is no token for it",
            f"export {TOKEN_VARIABLE}=$(openssl rand -hex 32), or give --admin-token-file FILE",
        )
    return AdminPlan(
        address=place, token=admin_token(file, given), hosts=tuple(flags["admin_host"])
    )


def guard_policy(config: Config) -> GuardPolicy:
    """What the guards go by. Raises ConfigError."""
    table = config.guards
    with named(config, "guards"):
        return GuardPolicy(**msgspec.structs.asdict(table))


_TOLD: Final = ("allow_writes", "concurrency", "queue", "sample", "session", "timeout", "window")


def _info(
    command: str, config: Config, flags: Flags, baseline: Target, candidate: Target
) -> RunInfo:
    """What a window is, for the store. Windows of one pair share a digest."""
    pair = f"{command}\n{baseline.url}\n{candidate.url}"
    return RunInfo(
        command=command,
        digest=hashlib.sha256(pair.encode()).hexdigest(),
        baseline=Side(name=baseline.name, url=baseline.url),
        candidate=Side(name=candidate.name, url=candidate.url),
        options={name: flags[name] for name in _TOLD if flags.get(name) not in (None, ())},
        config_digest=config_digest(config, flags),
        versions={"shadow": __version__},
        baseline_build=build(config, "baseline", flags),
        candidate_build=build(config, "candidate", flags),
        accept=tuple(rule.by for rule in accept_rules(config)),
        owners=config.endpoints.owners,
        files=config.endpoints.files,
    )


def record_plan(flags: Flags) -> RecordPlan:
    """Everything that `shadow record` goes by. Raises ConfigError."""
    config = load(flags["config"])
    upstream = parse_target(
        flags["upstream"],
        side="baseline",
        name="upstream",
        option="--upstream",
        denied=denied(config),
    )
    refuse_denied(upstream)
    rotate_bytes, rotate_s = flags["rotate_bytes"], flags["rotate_after"]
    if flags["keep_files"] is not None and rotate_s is None and rotate_bytes is None:
        raise ConfigError(
            "--keep-files without rotation", "add --rotate-bytes 100MiB or --rotate-after 1h"
        )
    return RecordPlan(
        listen=parse_listen(flags["listen"], "--listen"),
        status=address(flags["status"], "--status"),
        upstream=live_target(upstream),
        limits=Limits(timeout_s=seconds(flags["timeout"], "--timeout")),
        out=flags["out"],
        rotate_bytes=None if rotate_bytes is None else octets(rotate_bytes, "--rotate-bytes"),
        rotate_s=None if rotate_s is None else seconds(rotate_s, "--rotate-after"),
        keep_files=flags["keep_files"],
        redact_key=flags["redact_key"],
        redaction=redaction(config),
        recipients=recipients(flags),
        session=parse_session(flags["session"]) if flags["session"] else None,
        drain_s=seconds(flags["drain"], "--drain"),
    )
