"""Reads replay_data/pairs.jsonl: labelled pairs of answers read off real servers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shadow.compare import compare
from shadow.compare.classes import classify
from shadow.compare.classes.base import DivergenceClass, Pair
from shadow.model import Answer, NoAnswer, Observation, Request, Response, isomorphic

PAIRS = Path(__file__).parents[3] / "replay_data" / "pairs.jsonl"


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """One labelled pair."""

    id: str
    label: str
    also: tuple[str, ...]
    accept: tuple[str, ...]
    decidable: str
    looks_like: str | None
    pair: Pair

    def names(self) -> dict[str, str | None]:
        """Class id (or None) by `where:place`."""
        return names(self.pair)


def observation(side: dict[str, Any]) -> Observation:
    if side["status"] is None:
        return NoAnswer(kind="reset", detail=str(side.get("error", "")))
    headers = tuple((name, isomorphic(str(value))) for name, value in side["headers"].items())
    return Answer(
        response=Response(
            status=side["status"],
            headers=headers,
            body=side["body"].encode("utf-8", "surrogatepass"),
        )
    )


def asked(request: Any) -> Request | None:
    if request is None:
        return None
    if isinstance(request, str):
        method, _, target = request.partition(" ")
        return Request(method=method, target=isomorphic(target))
    if "go" in request:
        return asked(request["go"])
    if "target" not in request:
        return None
    headers = tuple((name, isomorphic(str(value))) for name, value in request["headers"].items())
    return Request(
        method=request["method"],
        target=isomorphic(request["target"]),
        headers=headers,
        body=(request.get("body") or "").encode("utf-8", "surrogatepass"),
    )


def pair_of(go: Observation, rust: Observation, request: Request | None = None) -> Pair:
    return Pair(go, rust, compare(go, rust), request)


def load(path: Path = PAIRS) -> list[Labelled]:
    found = []
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        found.append(
            Labelled(
                id=row["id"],
                label=row["class"],
                also=tuple(row.get("also", ())),
                accept=tuple(row.get("accept", ())),
                decidable=row["decidable"],
                looks_like=row.get("looks_like"),
                pair=pair_of(
                    observation(row["go"]), observation(row["rust"]), asked(row.get("request"))
                ),
            )
        )
    return found


def names(pair: Pair) -> dict[str, str | None]:
    classes: Sequence[DivergenceClass | None] = classify(pair)
    return {
        f"{difference.where}:{difference.name if difference.name is not None else difference.path}"
        f":{difference.kind}": cls.id if cls else None
        for difference, cls in zip(pair.differences, classes, strict=True)
    }
