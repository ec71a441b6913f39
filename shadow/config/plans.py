"""The file and the flags → each area's frozen options. Flags win over the file."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from shadow import __version__
from shadow.captures import digest
from shadow.compare import CompareOptions
from shadow.compare.rules import ListRule, Rules, Tolerance, parse_pattern
from shadow.config.file import FILE_NAME, Config, TargetTable, ToleranceTable, load
from shadow.endpoints import Endpoints
from shadow.errors import ConfigError
from shadow.judge import Policy
from shadow.model import SideName
from shadow.replay.conduct import Output
from shadow.replay.options import DiffPlan, ReplayOptions, ReplayPlan, Selection
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
        info=run_info("replay", captures, sides, flags),
    )


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
        info=run_info("diff", captures, sides, flags),
    )


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
    command: str, captures: tuple[str, ...], sides: tuple[Side, Side], flags: Flags
) -> RunInfo:
    """What the run is, for the store. Reads the captures once, for their digest."""
    return RunInfo(
        command=command,
        captures=captures,
        digest=digest(captures),
        baseline=sides[0],
        candidate=sides[1],
        options={name: flags[name] for name in _TOLD if flags.get(name) not in (None, ())},
        versions={"shadow": __version__},
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
    """What the judge goes by."""
    return Policy(compare=CompareOptions(rules=_rules(config)), all_events=all_events)


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
