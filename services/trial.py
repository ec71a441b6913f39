"""One trial: Go, a second Go and a candidate started, a capture replayed, the summary back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services import run

ROOT = Path(__file__).resolve().parent.parent
CAPTURE = ROOT / "replay_data" / "catalogue.jsonl.gz"
CONFIG = ROOT / "replay_data" / "shadow.toml"
EXPECTED = ROOT / "replay_data" / "catalogue.expected.json"

SEED = 42
"""What the committed capture was recorded with."""

Place = tuple[str, str, str]
"""(endpoint, where, path pattern)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """A planted bug: how it is provoked, and where its findings may be."""

    name: str
    places: frozenset[Place]
    """At least one of these is found, and nothing new outside of them."""
    arguments: tuple[str, ...] = ()


def _at(endpoint: str, *patterns: str, where: str = "body") -> frozenset[Place]:
    return frozenset((endpoint, where, pattern) for pattern in patterns)


_ITEM = "GET /v1/items/{id}"
_ROUTE = ("--endpoint", "POST /v1/route", "--concurrency", "32")
DEFECTS = (
    Defect(name="page-off-by-one", places=_at("GET /v1/items", "$['items'][*]")),
    Defect(
        name="bankers-rounding",
        places=_at("POST /v1/quote", "$['total_cents']", "$['total']"),
    ),
    Defect(name="lost-field", places=_at(_ITEM, "$['currency']")),
    Defect(name="unstable-sort", places=_at("GET /v1/items", "$['items']", "$['items'][*]")),
    Defect(name="errors-1pct", places=_at(_ITEM, "", where="status")),
    Defect(
        name="garbage-timestamp",
        places=_at("POST /v1/quote", "$['served_at']") | _at("GET /v1/stats", "$['served_at']"),
    ),
    Defect(name="wrong-currency", places=_at("POST /v1/quote", "$['lines'][*]['currency']")),
    Defect(name="race", places=_at("POST /v1/route", "$['cost']"), arguments=_ROUTE),
    Defect(name="null-number", places=_at(_ITEM, "$['rating']")),
    Defect(
        name="stuck",
        places=_at("GET /v1/search", "", where="transport"),
        arguments=("--timeout", "3"),
    ),
    Defect(name="wrong-amount", places=_at(_ITEM, "$['price_cents']")),
)
"""Every defect but `slow-tail`, which shows in times only."""

SLOW_TAIL = Defect(
    name="slow-tail",
    places=_at("GET /v1/search", "", where="transport"),
    arguments=(
        *("--endpoint", "GET /v1/search", "--concurrency", "1"),
        *("--sides", "in-turn", "--timeout", "0.12"),
    ),
)
"""Found by a limit that the Go service keeps: an answer later than that is none."""


def replay(
    candidate: Path = run.RUST,
    *,
    defects: str = "",
    seed: int = SEED,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Replay the committed capture, with noise learned from a second Go; the JSON summary."""
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        env = {"SEED": str(seed)}
        urls = [
            stack.enter_context(run.running(binary, each)).url
            for binary, each in (
                (run.GO, env),
                (candidate, {**env, "DEFECTS": defects} if candidate == run.RUST else env),
                (run.GO, env),
            )
        ]
        done = subprocess.run(  # noqa: S603 - our own command
            [
                *(sys.executable, "-m", "shadow", "replay", str(CAPTURE), "--json", "--quiet"),
                *("--go", urls[0], "--rust", urls[1], "--secondary", urls[2]),
                *("--config", str(CONFIG), "--allow-writes", "--store", f"{folder}/store.sqlite"),
                *arguments,
            ],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "NO_COLOR": "1"},
        )
        if done.returncode not in (0, 1, 3):
            raise RuntimeError(done.stderr)
        summary: dict[str, Any] = json.loads(done.stdout)
        return summary


def divergent(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """The divergent findings of a summary; one signature may have several classes."""
    return [each for each in summary["findings"] if each["verdict"] == "divergent"]


def place(finding: dict[str, Any]) -> Place:
    """Where a finding is."""
    return finding["endpoint"], finding["where"], finding["path_pattern"]


def expected() -> dict[str, Any]:
    """The committed list: what the pair diverges in without a defect, and what is volatile."""
    found: dict[str, Any] = json.loads(EXPECTED.read_text("utf-8"))
    return found


def main() -> int:
    """Write the committed list anew: `python -m services.trial`."""
    summary = replay()
    kept = ("endpoint", "where", "path_pattern", "kind", "class", "signature")
    rows = {
        verdict: sorted(
            (
                {name: each[name] for name in kept}
                for each in summary["findings"]
                if each["verdict"] == verdict
            ),
            key=lambda row: tuple(str(row[name]) for name in kept),
        )
        for verdict in ("divergent", "noise")
    }
    content = {"divergent": rows["divergent"], "volatile": rows["noise"]}
    EXPECTED.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
