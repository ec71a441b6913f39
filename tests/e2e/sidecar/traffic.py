"""What clients ask in these tests, and a config that the pair keeps to without a defect."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from services import trial
from tests.cli.program import CONFIG, Exchange, exchanges
from tests.e2e.sidecar.load import request

ITEM = "GET /v1/items/{id}"
ITEMS = [request(f"/v1/items/itm-{number:05}", "Accept: */*") for number in range(1, 201)]
"""Messages, all of one endpoint."""


@cache
def recorded() -> list[Exchange]:
    """The exchanges of the catalogue whose sessions write nothing, in order."""
    every = exchanges()
    writers = {each["session"] for each in every if writes(each)}
    return [each for each in every if each["session"] not in writers]


def writes(exchange: Exchange) -> bool:
    method, target = exchange["request"]["method"], exchange["request"]["target"]
    return bool(method == "PATCH" or (method == "POST" and target.startswith("/v1/items")))


def config(folder: Path, *tables: str, accepting: bool = True) -> Path:
    """A config in which, by default, everything the pair differs in is accepted."""
    rows = trial.expected()["divergent"] if accepting else []
    signatures = sorted({row["signature"] for row in rows})
    until = datetime.now(UTC).date() + timedelta(days=30)
    rules = [
        f'[[accept]]\nsignature = "{signature}"\nreason = "the pair is so"\n'
        f'owner = "tests"\nexpires = {until}\n'
        for signature in signatures
    ]
    path = folder / "shadow.toml"
    path.write_text("\n".join([CONFIG.read_text("utf-8"), *tables, *rules]), "utf-8")
    return path


def messages(asked: Iterable[Exchange]) -> list[bytes]:
    """Recorded requests as they go out, but for HEAD."""
    found = []
    for sent in (each["request"] for each in asked if each["request"]["method"] != "HEAD"):
        lines = [f"{sent['method']} {sent['target']} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in sent["headers"]]
        found.append(("\r\n".join(lines) + "\r\n\r\n" + sent.get("body", "")).encode())
    return found


def flag(path: Path, *, percent: float = 0, enabled: bool = True, sample: float = 1) -> None:
    """Write a file of flags beside it, and rename it over."""
    values = {"rust-percent": percent, "rust-enabled": enabled, "shadow-sample": sample}
    flags = {
        name: {"state": "ENABLED", "variants": {"now": value}, "defaultVariant": "now"}
        for name, value in values.items()
    }
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps({"flags": flags}), "utf-8")
    beside.replace(path)
