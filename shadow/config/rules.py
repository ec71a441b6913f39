"""`[[accept]]` and `[compare]` → the rules that the judge goes by, each checked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Final, get_args

from shadow.compare.accept import AcceptRule, Responsibility
from shadow.compare.classes import CLASSES
from shadow.compare.classes.base import PolicyName
from shadow.compare.rules import ListRule, PathPattern, Rules, Tolerance, parse_pattern
from shadow.config.file import Config, named
from shadow.config.tables.rules import AcceptTable, ListTable, ToleranceTable
from shadow.errors import ConfigError
from shadow.model import Kind

_SIGNATURE: Final = re.compile(r"[0-9a-f]{16}")


def class_policies(config: Config) -> dict[tuple[str, str], PolicyName]:
    """Policies by class and endpoint. Raises ConfigError for an unknown class."""
    policies: dict[tuple[str, str], PolicyName] = {}
    for number, entry in enumerate(config.compare.classes):
        with named(config, "compare", "classes", number, "id"):
            policies[_known_class(entry.id), entry.endpoint] = entry.policy
    return policies


def accept_rules(config: Config) -> Iterator[AcceptRule]:
    """Every acceptance rule, expired or not. Raises ConfigError for one that cannot hold."""
    for number, entry in enumerate(config.accept):
        with named(config, "accept", number):
            conditions = _conditions(entry)
            _check_owned(entry)
        for name, check in (("class", _known_class), ("signature", _whole), ("kind", _known_kind)):
            if name in conditions:
                with named(config, "accept", number, name):
                    check(conditions[name])
        with named(config, "accept", number, "path"):
            path = parse_pattern(entry.path) if entry.path else None
        yield _accept(entry, conditions, path)


def _conditions(entry: AcceptTable) -> dict[str, str]:
    """The conditions that are given, by their key in the file."""
    header = entry.header and entry.header.lower()
    conditions = {
        "class": entry.id,
        "signature": entry.signature,
        "endpoint": entry.endpoint,
        "path": entry.path,
        "header": header,
        "kind": entry.kind,
        "baseline": entry.baseline,
        "candidate": entry.candidate,
    }
    given = {name: value for name, value in conditions.items() if value}
    if not given:
        raise ConfigError(
            f"an [[accept]] entry of {entry.owner} has no condition",
            "add class, signature, endpoint, path, header, kind, baseline or candidate",
        )
    return given


def _check_owned(entry: AcceptTable) -> None:
    for name in ("reason", "owner"):
        if not getattr(entry, name).strip():
            raise ConfigError(f"an [[accept]] entry has an empty {name}", "say it")


def _accept(entry: AcceptTable, conditions: dict[str, str], path: PathPattern | None) -> AcceptRule:
    return AcceptRule(
        by=Responsibility(
            name="accept:" + " ".join(conditions.values()),
            reason=entry.reason,
            owner=entry.owner,
            expires=entry.expires,
        ),
        class_id=conditions.get("class"),
        signature=conditions.get("signature"),
        endpoint=conditions.get("endpoint"),
        path=path,
        header=conditions.get("header"),
        kind=conditions.get("kind"),
        baseline=conditions.get("baseline"),
        candidate=conditions.get("candidate"),
        verdict=entry.verdict,
    )


def _known_class(name: str) -> str:
    if name not in CLASSES:
        near = difflib.get_close_matches(name, CLASSES, n=1)
        hint = f"did you mean {near[0]}?" if near else "shadow explain lists the classes"
        raise ConfigError(f"unknown class {name}", hint)
    return name


def _known_kind(name: str) -> None:
    kinds = get_args(Kind)
    if name not in kinds:
        raise ConfigError(f"unknown kind {name}", f"one of {', '.join(kinds)}")


def _whole(signature: str) -> None:
    if not _SIGNATURE.fullmatch(signature):
        raise ConfigError(f"{signature} is no signature", "16 hex digits, as shadow report shows")


def compare_rules(config: Config) -> dict[str, Rules]:
    """Comparing rules by endpoint; those of `*` also hold at every endpoint with its own."""
    lists: dict[str, list[ListRule]] = {}
    tolerances: dict[str, list[Tolerance]] = {}
    for number, entry in enumerate(config.compare.lists):
        with named(config, "compare", "lists", number):
            lists.setdefault(entry.endpoint, []).append(_list(entry))
    for number, limit in enumerate(config.compare.tolerances):
        with named(config, "compare", "tolerances", number):
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


def _list(entry: ListTable) -> ListRule:
    if entry.unordered == (entry.key is not None):
        raise ConfigError(
            f"compare.lists {entry.path}: give either key or unordered = true",
            'for example key = "id"',
        )
    return ListRule(
        path=parse_pattern(entry.path),
        unordered=entry.unordered,
        key=tuple(entry.key.split(".")) if entry.key is not None else None,
    )


def _tolerance(limit: ToleranceTable) -> Tolerance:
    given = (limit.absolute, limit.relative, limit.ulp, limit.seconds)
    if all(value is None for value in given):
        raise ConfigError(
            f"compare.tolerances {limit.path}: no tolerance is given",
            "add one of absolute, relative, ulp, seconds",
        )
    if any(value is not None and value < 0 for value in given):
        raise ConfigError(
            f"compare.tolerances {limit.path}: a tolerance is negative",
            "a tolerance is a number from 0",
        )
    return Tolerance(
        path=parse_pattern(limit.path),
        absolute=None if limit.absolute is None else Fraction(str(limit.absolute)),
        relative=None if limit.relative is None else Fraction(str(limit.relative)),
        ulp=limit.ulp,
        seconds=limit.seconds,
    )
