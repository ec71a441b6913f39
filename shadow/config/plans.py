"""The file and the flags → each area's frozen options. Flags win over the file."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

from shadow import __version__
from shadow.captures import STDIN, digest
from shadow.compare import CompareOptions
from shadow.compare.codecs import protobuf
from shadow.compare.codecs.content import MessageType
from shadow.compare.noise import NoiseProfile
from shadow.config.around import auth, probes, refuse_commands, side_hooks
from shadow.config.correlating import correlation
from shadow.config.file import FILE_NAME, Config, ProtobufTable, TargetTable, load
from shadow.config.gating import gate_plan
from shadow.config.naming import endpoints
from shadow.config.redacting import hidden
from shadow.config.rules import accept_rules, class_policies, compare_rules, named
from shadow.endpoints import Endpoints
from shadow.errors import ConfigError
from shadow.judge import Policy
from shadow.masking import Hidden
from shadow.model import SideName
from shadow.replay.abort import AbortLimits
from shadow.replay.conduct import today
from shadow.replay.delivery import Output
from shadow.replay.options import (
    DiffPlan,
    NoisePlan,
    ReplayOptions,
    ReplayPlan,
    ResourcePlan,
    Selection,
)
from shadow.replay.provenance import VersionSource, commit, lockfile_digest, machine
from shadow.reports.show import readable_path
from shadow.resources.source import parse_source
from shadow.results.provenance import Build
from shadow.results.resources import Prices
from shadow.results.runs import RunInfo, Side
from shadow.sending.denied import parse_denied
from shadow.sending.limits import Limits
from shadow.sending.reshape import parse_reshaping
from shadow.sending.safety import Safety, refuse_denied
from shadow.sending.target import Proxy, Target, parse_proxy, parse_target

Flags = Mapping[str, Any]
"""What click made of the command line: option names to values."""

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
    for each in (baseline, candidate):
        if each is not None:
            refuse_denied(each)
    sides = (
        Side(name=label(config, "baseline"), url=baseline.url if baseline else ""),
        Side(name=candidate.name, url=candidate.url),
    )
    captures = tuple(flags["captures"])
    secondary = _secondary(config, flags, recorded=recorded)
    refuse_commands(config, allowed=flags.get("allow_commands", False))
    correlated = correlation(config)
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
    if correlated and secondary is not None:
        raise ConfigError(
            "--secondary has no values of its own: [[correlate]], [sessions] and [[shift]] know "
            "two sides",
            "learn noise with --noise twice instead",
        )
    return ReplayPlan(
        captures=captures,
        baseline=baseline,
        candidate=candidate,
        endpoints=endpoints(config),
        safety=safety(config, allow_writes=_may_write(config, flags)),
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


def _may_write(config: Config, flags: Flags) -> bool:
    """Whether writes are sent: where it was said, or where both services are for that.

    A file speaks of the services at its own URLs only.
    """
    if flags["allow_writes"]:
        return True
    sides = ("baseline", "candidate")
    tables = [getattr(config.targets, side) for side in sides]
    own = all(flags[side] in (None, table.url) for side, table in zip(sides, tables, strict=True))
    return own and all(table.isolated and table.url for table in tables)


def abort_limits(config: Config, flags: Flags) -> AbortLimits:
    """When a replay stops: the flags, else the file."""

    def limit(name: str) -> Any:
        given = flags.get(name)
        return getattr(config.safety, name) if given is None else given

    return AbortLimits(
        max_errors=limit("max_errors"),
        max_error_share=limit("max_error_share"),
        max_latency_ms=limit("max_latency"),
    )


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
        text = getattr(config.targets, found.side).resources
        if text is not None:
            with named(config, "targets", found.side, "resources"):
                parse_source(text, found.url)
            sources[found.side] = text
    prices = None
    if table.core_hour is not None and table.gib_hour is not None:
        prices = Prices(core_hour=table.core_hour, gib_hour=table.gib_hour)
    return ResourcePlan(sources=sources, idle_s=table.idle_s, prices=prices)


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
    found = _parsed(config, "baseline", flags["secondary"], "--secondary", "secondary")
    refuse_denied(found)
    return found


def safety(config: Config, *, allow_writes: bool) -> Safety:
    """What tells reads from writes. Raises ConfigError for a malformed template."""
    with named(config, "safety", "reads"):
        return Safety(config.safety.reads, allow_writes=allow_writes)


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


def inspecting(flags: Flags) -> tuple[Endpoints, Safety, Hidden]:
    """What an inspection names endpoints and tells reads by, and what it hides there.

    Raises ConfigError.
    """
    config = load(flags["config"])
    return endpoints(config), safety(config, allow_writes=False), hidden(config)


def selection(flags: Flags) -> Selection:
    """Which exchanges are wanted."""
    return Selection(
        sample=flags["sample"],
        methods=frozenset(method.upper() for method in flags["methods"]),
        endpoints=tuple(flags["endpoint"]),
        exclude=tuple(flags["exclude"]),
        limit=flags["limit"],
        seed=flags["seed"],
    )


_TOLD: Final = (
    "allow_writes",
    "ceiling",
    "concurrency",
    "endpoint",
    "exclude",
    "join",
    "limit",
    "max_error_share",
    "max_errors",
    "max_latency",
    "methods",
    "order",
    "rate",
    "repeat",
    "sample",
    "seed",
    "sides",
    "speed",
    "timeout",
)
"""The flags that decide what a run sees, kept with it."""


ARGUMENTS: Final = (
    *("captures", "baseline", "candidate", "secondary", "config"),
    *("allow_writes", "all_events", "endpoint", "exclude", "limit", "methods", "no_values"),
    "repeat",
    *("noise", "noise_profile", "noise_sample", "sample", "seed", "sides", "workers"),
    *("allow_commands", "ceiling", "concurrency", "order", "rate", "speed", "timeout"),
    *("max_errors", "max_error_share", "max_latency"),
    *("fail_on", "on_inconclusive", "phase", "since", "strict"),
)
"""The flags that a resumed run takes from the one before."""


def config_digest(config: Config, flags: Flags) -> str:
    """Of every file, but the captures, that decides on verdicts.

    The text of `shadow.toml` as it stands, so that no secret of the environment is in it. Where
    one cannot be read, whoever needs it says so.
    """
    profile = flags["noise_profile"] or config.noise.profile
    described = config.endpoints.openapi
    openapi = str(Path(config.source).parent / described) if described else ""
    sources = [
        config.source,
        profile,
        openapi,
        *(each.descriptor_set for each in config.compare.protobuf),
    ]
    whole = hashlib.sha256()
    for source in filter(None, sources):
        with contextlib.suppress(OSError):
            whole.update(hashlib.sha256(Path(source).read_bytes()).digest())
    return whole.hexdigest()


def _readable(value: Any) -> Any:
    """A flag as it can be stored: the name of a file need not be text."""
    if isinstance(value, tuple | list):
        return [_readable(each) for each in value]
    return readable_path(value) if isinstance(value, str) else value


def run_info(
    command: str,
    captures: tuple[str, ...],
    sides: tuple[Side, Side],
    flags: Flags,
    config: Config,
) -> RunInfo:
    """What the run is, for the store. Reads the captures once, for their digest, but no pipe.

    Of a diff it is the baseline's alone: the candidate's capture is new with each of its builds.
    """
    same = captures[:1] if command == "diff" else captures
    pipes = any(path == STDIN or Path(path).is_fifo() for path in same)
    return RunInfo(
        command=command,
        captures=tuple(map(readable_path, captures)),
        digest="" if pipes else digest(same),
        baseline=sides[0],
        candidate=sides[1],
        options={name: flags[name] for name in _TOLD if flags.get(name) not in (None, ())},
        arguments={name: _readable(flags[name]) for name in ARGUMENTS if name in flags},
        config_digest=config_digest(config, flags),
        versions={"shadow": __version__},
        baseline_build=build(config, "baseline", flags),
        candidate_build=build(config, "candidate", flags),
        commit=commit(folder(config)),
        machine=machine(),
        accept=tuple(rule.by for rule in accept_rules(config)),
        owners=config.endpoints.owners,
        files=config.endpoints.files,
    )


LABELS: Final[dict[SideName, str]] = {"baseline": "go", "candidate": "rust"}


def folder(config: Config) -> Path:
    """The folder of the config, or the working directory where there is none."""
    return Path(config.source).resolve().parent if config.source else Path.cwd()


def build(config: Config, side: SideName, flags: Flags) -> Build:
    """What is given of the build of a side. Raises ConfigError for an unreadable lock file."""
    table: TargetTable = getattr(config.targets, side)
    lockfile = ""
    if table.lockfile is not None:
        option = f"{config.at('targets', side, 'lockfile')}: targets.{side}.lockfile"
        lockfile = lockfile_digest(folder(config) / table.lockfile, option)
    return Build(
        version=flags.get(f"{LABELS[side]}_version") or "",
        toolchain=table.toolchain or "",
        lockfile=lockfile,
    )


def version_source(config: Config, side: SideName) -> VersionSource | None:
    """Where a side says its version. Raises ConfigError where that names no place."""
    table: TargetTable = getattr(config.targets, side)
    if table.version is None:
        return None
    path, name = table.version.path, table.version.header
    if path is None and name is None:
        place = config.at("targets", side, "version")
        raise ConfigError(f"{place}: targets.{side}.version is empty", 'write {path = "/version"}')
    if path is not None and not path.startswith("/"):
        place = config.at("targets", side, "version")
        raise ConfigError(
            f"{place}: targets.{side}.version.path {path} is no path", "begin it with /"
        )
    return VersionSource(path=path or "/", header=name)


def label(config: Config, side: SideName) -> str:
    """The name a side goes by in events and reports."""
    table: TargetTable = getattr(config.targets, side)
    return table.name or LABELS[side]


def target(config: Config, side: SideName, url: str | None) -> Target:
    """The target of a side, from its flag or from the file. Raises ConfigError."""
    table: TargetTable = getattr(config.targets, side)
    chosen = url or table.url
    option = f"--{LABELS[side]}"
    if not chosen:
        raise ConfigError(
            f"no {side} service is given",
            f"add {option} URL, or url under [targets.{side}] in {FILE_NAME}",
        )
    place = option if url else f"targets.{side}.url"
    return _parsed(config, side, chosen, place, label(config, side))


def _parsed(config: Config, side: SideName, url: str, option: str, name: str) -> Target:
    """The target at a URL, asked in the way of a side."""
    table: TargetTable = getattr(config.targets, side)
    with named(config, "safety", "never"):
        denied = parse_denied(config.safety.never)
    return parse_target(
        url,
        side=side,
        name=name,
        option=option,
        headers=tuple(table.headers.items()),
        keep_host=table.keep_host,
        host_header=table.host or "",
        drop_headers=table.drop_headers,
        reshaping=parse_reshaping(
            tuple(table.paths.items()),
            tuple(table.set_query.items()),
            table.drop_query,
            f"targets.{side}",
        ),
        denied=denied,
        verify_tls=table.verify_tls,
        http2=_http2(table, side),
        proxy=_proxy(table, side),
        auth=auth(config, side, denied),
    )


def _http2(table: TargetTable, side: SideName) -> bool:
    """Whether HTTP/2 is asked for. Raises ConfigError where the package for it is missing."""
    if table.http2 and find_spec("h2") is None:
        raise ConfigError(
            f"targets.{side}.http2: the package h2 is not installed",
            "pip install 'shadow-traffic[http2]'",
        )
    return table.http2


def _proxy(table: TargetTable, side: SideName) -> Proxy | None:
    return None if table.proxy is None else parse_proxy(table.proxy, f"targets.{side}.proxy")


def policy(config: Config, *, all_events: bool = False) -> Policy:
    """What the judge goes by. Expired rules are left out: they fail the run instead."""
    now = today()
    return Policy(
        compare=CompareOptions(rules=compare_rules(config), messages=messages(config)),
        classes=class_policies(config),
        accept=tuple(rule for rule in accept_rules(config) if not rule.by.expired(now)),
        all_events=all_events,
    )


def messages(config: Config) -> dict[str, MessageType]:
    """What Protobuf bodies are, by endpoint. Raises ConfigError."""
    found: dict[str, MessageType] = {}
    for number, entry in enumerate(config.compare.protobuf):
        with named(config, "compare", "protobuf", number):
            found[entry.endpoint] = _message(entry)
    return found


def _message(entry: ProtobufTable) -> MessageType:
    source = entry.descriptor_set
    try:
        message = MessageType(descriptor_set=Path(source).read_bytes(), name=entry.message)
    except OSError as error:
        raise ConfigError(
            f"cannot read descriptor set {source}: {error.strerror}",
            "protoc --include_imports --descriptor_set_out writes one",
        ) from None
    fault = protobuf.fault(message)
    if fault:
        raise ConfigError(
            f"descriptor set {source}: {fault}",
            "write it with protoc --include_imports, and name the message with its package",
        )
    return message


def noise_profile(config: Config, path: str | None) -> NoiseProfile | None:
    """The noise that was learned before, from the flag or the file. Raises ConfigError."""
    source = path or config.noise.profile
    return None if source is None else read_profile(source)


def read_profile(source: str) -> NoiseProfile:
    """A noise profile as `shadow noise learn` wrote it. Raises ConfigError."""
    try:
        return NoiseProfile.from_json(Path(source).read_bytes())
    except OSError as error:
        raise ConfigError(
            f"cannot read noise profile {source}: {error.strerror}", "shadow noise learn writes one"
        ) from None
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"{source} is no noise profile: {error}", "shadow noise learn writes one"
        ) from None
