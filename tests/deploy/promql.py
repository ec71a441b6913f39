"""What an expression of PromQL is about: enough of the language for the files in deploy/."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shadow.metrics import METRICS

FROM_PROMETHEUS = frozenset({"job", "instance"})
"""Labels that every series has."""
_SUFFIXES = {"_bucket": {"le"}, "_sum": set[str](), "_count": set[str]()}
_OPERATORS = frozenset({"and", "or", "unless", "bool", "offset", "atan2"})
_TEXT = re.compile(r'"[^"]*"')
_CLAUSE = re.compile(r"\b(by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SERIES = re.compile(r"(?<![\w$])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?(\s*\()?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """The metrics that are read, the labels they are chosen by, those they are grouped by."""

    metrics: frozenset[str]
    chosen_by: frozenset[tuple[str, str]]
    """Metric and label."""
    grouped_by: frozenset[str]

    def problems(self) -> list[str]:
        """What the sidecar does not have of all this."""
        labels = {name: labels_of(name) for name in self.metrics}
        found = [f"there is no {name}" for name, known in labels.items() if known is None]
        found += [
            f"{name} has no label {label}"
            for name, label in self.chosen_by
            if label not in (labels[name] or {label})
        ]
        return found + [f"nothing has a label {each}" for each in self.grouped_by - self.labels()]

    def labels(self) -> frozenset[str]:
        """Every label that a series of it may have."""
        return frozenset().union(*(labels_of(name) or () for name in self.metrics))

    def kept(self) -> frozenset[str]:
        """The labels of what comes out."""
        return self.grouped_by or self.labels()


def labels_of(name: str) -> frozenset[str] | None:
    """The labels of a series; None where the sidecar has no such metric."""
    if name == "up":
        return FROM_PROMETHEUS
    for suffix, more in _SUFFIXES.items():
        base = METRICS.get(name.removesuffix(suffix))
        if name.endswith(suffix) and base is not None and base.type == "histogram":
            return FROM_PROMETHEUS | {*base.labels} | more
    metric = METRICS.get(name)
    if metric is None or metric.type == "histogram":
        return None
    return FROM_PROMETHEUS | {*metric.labels}


def read(expression: str) -> Expression:
    """Read an expression, with or without Grafana's variables."""
    bare = re.sub(r"\[[^\]]*\]", "", _TEXT.sub('""', expression))
    grouped = {label.strip() for found in _CLAUSE.finditer(bare) for label in found[2].split(",")}
    metrics, chosen = set[str](), set[tuple[str, str]]()
    for name, matchers, call in _SERIES.findall(_CLAUSE.sub("", bare)):
        if call or name in _OPERATORS:
            continue
        metrics.add(name)
        chosen |= {(name, label) for label in _MATCHER.findall(matchers)}
    return Expression(
        metrics=frozenset(metrics), chosen_by=frozenset(chosen), grouped_by=frozenset(grouped)
    )
