"""The file and the flags → each area's frozen options. Flags win over the file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec

from shadow import __version__
from shadow.captures import STDIN, digest
from shadow.compare import CompareOptions
from shadow.compare.accept import AcceptRule, Responsibility
from shadow.compare.classes import CLASSES
from shadow.compare.noise import NoiseProfile
from shadow.compare.rules import ListRule, Rules, Tolerance, parse_pattern
from shadow.config.file import (
    FILE_NAME,
    AcceptTable,
    Config,
    TargetTable,
    ToleranceTable,
    load,
)
from shadow.endpoints import Endpoints
from shadow.errors import ConfigError
from shadow.judge import Policy
from shadow.model import SideName
from shadow.replay.conduct import today
from shadow.replay.delivery import Output
from shadow.replay.options import DiffPlan, NoisePlan, ReplayOptions, ReplayPlan, Selection
from shadow.results.runs import RunInfo, Side
from shadow.sending.limits import Limits
from shadow.sending.safety import Safety, refuse_denied
from shadow.sending.target import Target, parse_target

Flags = Mapping[str, Any]
"""What click made of the command line: option names to values."""

RECORDED: Final = "recorded"
"""In place of the baseline's URL: the capture's own responses."""


def replay_plan(flags: Flags) -> ReplayPlan:
    """Everything a replay goes by. Raises ConfigError, CaptureError."""
    config = load(flags["config"])
    recorded = flags["baseline"] == RECORDED
    baseline = None if recorded else target(config, "baseline", flags["baseline"])
    candidate = target(config, "candidate", flags["candidate"])
    for each in (baseline, candidate):
        if each is not None:
            refuse_denied(each, config.safety.never)
    sides = (
        Side(name=label(config, "baseline"), url=baseline.url if baseline else ""),
        Side(name=candidate.name, url=candidate.url),
    )
    captures = tuple(flags["captures"])
    secondary = _secondary(config, flags, recorded=recorded)
    return ReplayPlan(
        captures=captures,
        baseline=baseline,
        candidate=candidate,
        endpoints=Endpoints(config.endpoints.templates),
        safety=Safety(config.safety.reads, allow_writes=flags["allow_writes"]),
        policy=policy(config, all_events=flags["all_events"]),
        selection=selection(flags),
        options=ReplayOptions(
            concurrency=flags["concurrency"],
            rate=flags["rate"],
            ceiling=flags["ceiling"],
            speed=flags["speed"],
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
        dry_run=flags["dry_run"],
    )


def learning_plan(flags: Flags) -> ReplayPlan:
    """Go against Go: the candidate is the second instance, or the first one again."""
    if flags["baseline"] == RECORDED:
        raise ConfigError("noise learn needs a live service", "give --go URL")
    again = flags["secondary"] or flags["baseline"] or load(flags["config"]).targets.baseline.url
    return replay_plan({**flags, **_LEARNING, "candidate": again, "secondary": None})


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
    found = parse_target(
        flags["secondary"],
        side="baseline",
        name="secondary",
        option="--secondary",
        headers=tuple(config.targets.baseline.headers.items()),
    )
    refuse_denied(found, config.safety.never)
    return found


def diff_plan(flags: Flags) -> DiffPlan:
    """Everything a diff goes by. Raises ConfigError, CaptureError."""
    config = load(flags["config"])
    sides = (Side(name=label(config, "baseline")), Side(name=label(config, "candidate")))
    captures = (flags["baseline"], flags["candidate"])
    return DiffPlan(
        baseline=flags["baseline"],
        candidate=flags["candidate"],
        join=flags["join"],
        endpoints=Endpoints(config.endpoints.templates),
        policy=policy(config, all_events=flags["all_events"]),
        selection=selection(flags),
        info=run_info("diff", captures, sides, flags, config),
        profile=noise_profile(config, flags["noise_profile"]),
    )


def demo_plan(flags: Flags) -> DiffPlan:
    """`shadow demo`: `shadow diff` on the two captures inside the package."""
    folder = resources.files("shadow") / "demo_data"
    captures: Flags = {side: str(folder / f"{LABELS[side]}.jsonl.gz") for side in LABELS}
    return diff_plan({**flags, **_NO_SELECTION, **captures, "join": "id"})


_NO_SELECTION: Final[dict[str, Any]] = {
    "sample": 1.0,
    "methods": (),
    "endpoint": (),
    "exclude": (),
    "limit": None,
    "seed": 0,
}


def output(flags: Flags) -> Output:
    """Where results go."""
    return Output(
        store=flags["store"],
        events=flags["events"],
        reports=flags["reports"],
        as_json=flags["as_json"],
        quiet=flags["quiet"],
        no_values=flags["no_values"],
        fail_on=flags["fail_on"],
        since=flags["since"],
        on_inconclusive=flags["on_inconclusive"],
        strict=flags["strict"],
    )


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
    "methods",
    "rate",
    "sample",
    "seed",
    "sides",
    "speed",
    "timeout",
)
"""The flags that decide what a run sees, kept with it."""


def run_info(
    command: str,
    captures: tuple[str, ...],
    sides: tuple[Side, Side],
    flags: Flags,
    config: Config,
) -> RunInfo:
    """What the run is, for the store. Reads the captures once, for their digest."""
    return RunInfo(
        command=command,
        captures=captures,
        digest="" if STDIN in captures else digest(captures),
        baseline=sides[0],
        candidate=sides[1],
        options={name: flags[name] for name in _TOLD if flags.get(name) not in (None, ())},
        versions={"shadow": __version__},
        accept=responsibilities(config),
    )


LABELS: Final[dict[SideName, str]] = {"baseline": "go", "candidate": "rust"}


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
    return parse_target(
        chosen,
        side=side,
        name=label(config, side),
        option=option if url else f"targets.{side}.url",
        headers=tuple(table.headers.items()),
        keep_host=table.keep_host,
        verify_tls=table.verify_tls,
    )


def policy(config: Config, *, all_events: bool = False) -> Policy:
    """What the judge goes by. Expired rules are left out: they fail the run instead."""
    now = today()
    rules = [_accept(entry, config) for entry in config.accept]
    return Policy(
        compare=CompareOptions(rules=_rules(config)),
        classes={
            (_known_class(entry.id), entry.endpoint): entry.policy
            for entry in config.compare.classes
        },
        accept=tuple(rule for rule in rules if not rule.by.expired(now)),
        all_events=all_events,
    )


def responsibilities(config: Config) -> tuple[Responsibility, ...]:
    """Everyone who accepts something, expired or not."""
    return tuple(_accept(entry, config).by for entry in config.accept)


def _accept(entry: AcceptTable, config: Config) -> AcceptRule:
    conditions = {
        "class": entry.id and _known_class(entry.id),
        "signature": entry.signature,
        "endpoint": entry.endpoint,
        "path": entry.path,
        "header": entry.header and entry.header.lower(),
        "kind": entry.kind,
        "baseline": entry.baseline,
        "candidate": entry.candidate,
    }
    given = {name: value for name, value in conditions.items() if value}
    if not given:
        raise ConfigError(
            f"{config.source}: an [[accept]] entry of {entry.owner} has no condition",
            "add class, signature, endpoint, path, header, kind, baseline or candidate",
        )
    for name in ("reason", "owner"):
        if not getattr(entry, name).strip():
            raise ConfigError(f"{config.source}: an [[accept]] entry has an empty {name}", "say it")
    return AcceptRule(
        by=Responsibility(
            name="accept:" + " ".join(given.values()),
            reason=entry.reason,
            owner=entry.owner,
            expires=entry.expires,
        ),
        class_id=entry.id,
        signature=entry.signature,
        endpoint=entry.endpoint,
        path=parse_pattern(entry.path) if entry.path else None,
        header=conditions["header"] or None,
        kind=entry.kind,
        baseline=entry.baseline,
        candidate=entry.candidate,
        verdict=entry.verdict,
    )


def _known_class(name: str) -> str:
    if name not in CLASSES:
        near = difflib.get_close_matches(name, CLASSES, n=1)
        hint = f"did you mean {near[0]}?" if near else "shadow explain lists the classes"
        raise ConfigError(f"unknown class {name}", hint)
    return name


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


def _rules(config: Config) -> dict[str, Rules]:
    """Comparing rules by endpoint; those of `*` also hold at every endpoint with its own."""
    lists: dict[str, list[ListRule]] = {}
    tolerances: dict[str, list[Tolerance]] = {}
    for entry in config.compare.lists:
        if entry.unordered == (entry.key is not None):
            raise ConfigError(
                f"compare.lists {entry.path}: give either key or unordered = true",
                'for example key = "id"',
            )
        rule = ListRule(
            path=parse_pattern(entry.path),
            unordered=entry.unordered,
            key=tuple(entry.key.split(".")) if entry.key is not None else None,
        )
        lists.setdefault(entry.endpoint, []).append(rule)
    for limit in config.compare.tolerances:
        tolerances.setdefault(limit.endpoint, []).append(_tolerance(limit))
    return {
        endpoint: Rules(
            lists=tuple(lists.get(endpoint, []) + (lists.get("*", []) if endpoint != "*" else [])),
            tolerances=tuple(
                tolerances.get(endpoint, []) + (tolerances.get("*", []) if endpoint != "*" else [])
            ),
        )
        for endpoint in lists.keys() | tolerances.keys()
    }


def _tolerance(limit: ToleranceTable) -> Tolerance:
    given = (limit.absolute, limit.relative, limit.ulp, limit.seconds)
    if all(value is None for value in given):
        raise ConfigError(
            f"compare.tolerances {limit.path}: no tolerance is given",
            "add one of absolute, relative, ulp, seconds",
        )
    return Tolerance(
        path=parse_pattern(limit.path),
        absolute=None if limit.absolute is None else Fraction(str(limit.absolute)),
        relative=None if limit.relative is None else Fraction(str(limit.relative)),
        ulp=limit.ulp,
        seconds=limit.seconds,
    )
