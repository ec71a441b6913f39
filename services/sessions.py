"""Records sessions in which each request needs what an earlier answer told.

    python services/sessions.py

Build the services first with services/build.sh. The Go service makes up its tokens and the ids of
drafts anew in each process, so a later run of it gives others: who replays this capture has to
learn them from the answers. So that it can be learned what they were, the capture keeps the real
values, where `shadow record` would put hashes in their place. They are throwaway: the users are
made up, and tokens and ids end with the process that gave them.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from services import run, traffic
from services.record import REPLAY_DATA
from services.workload import AGENTS, Shopper, change, create, draft_target, log_in, quote
from shadow.errors import ShadowError

CAPTURE = REPLAY_DATA / "sessions.jsonl.gz"
RANDOM = {"TOKENS": "random", "IDS": "random"}
BEGINS_PER_S = 1.0


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sessions", type=int, default=20, help="how many, each of its own user")
    parser.add_argument("--seed", type=int, default=7, help="same seed, same requests")
    parser.add_argument("--out", type=Path, default=CAPTURE, help="the capture to write")
    options = parser.parse_args()
    try:
        count = record(**vars(options))
    except ShadowError as problem:
        print(f"sessions: {problem.message} ({problem.hint})", file=sys.stderr)
        return problem.exit_code
    print(f"{options.out}: {count} exchanges", file=sys.stderr)
    return 0


def record(*, sessions: int, seed: int, out: Path) -> int:
    """Record the sessions with the Go service; returns how many exchanges were written.

    Raises UnfinishedError when the service is not built or does not start.
    """
    calls = plan(sessions=sessions, seed=seed)
    with run.running(run.GO, RANDOM) as service:
        return traffic.write(out, traffic.Recorder(service.url).record(calls))


def plan(*, sessions: int, seed: int) -> list[traffic.Planned]:
    """All calls in order of time; the sessions overlap. Every second one uses the cookie."""
    rng = random.Random(seed)
    planned: list[traffic.Planned] = []
    for number in range(1, sessions + 1):
        agent = rng.choice(AGENTS)
        shopper = Shopper(rng=rng, user=f"u-{number}", agent=agent, cookie=number % 2 == 0)
        _sell(shopper)
        at = rng.uniform(0, sessions / BEGINS_PER_S)
        for call in shopper.calls:
            planned.append(traffic.Planned(at=at, session=shopper.user, call=call))
            at += rng.expovariate(1 / traffic.THINK_S)
    return sorted(planned, key=lambda entry: entry.at)


def _sell(shopper: Shopper) -> None:
    """From the login to a draft that is gone again."""
    log_in(shopper)
    create(shopper)
    create(shopper)
    own = draft_target(shopper)
    shopper.ask("GET", own)
    shopper.ask("GET", "/v1/items?owner=me")
    change(shopper)
    quote(shopper)
    shopper.ask("DELETE", own)
    shopper.ask("GET", own)


if __name__ == "__main__":
    sys.exit(main())
