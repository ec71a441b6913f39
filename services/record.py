"""Records the committed captures: the same traffic answered by Go and by Rust.

    python services/record.py
    python services/record.py --demo

Build the services first with services/build.sh. With `--demo` nothing is recorded: the captures
of `shadow demo` are cut from the committed ones, and the noise beside them is learned anew.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from pathlib import Path

from services import run, traffic
from shadow.captures import open_writer, read
from shadow.errors import ShadowError
from shadow.model import Exchange

ROOT = Path(__file__).resolve().parent.parent
REPLAY_DATA = ROOT / "replay_data"
DEMO_DATA = ROOT / "shadow" / "demo_data"
CAPTURES = {"go": "catalogue.jsonl.gz", "rust": "catalogue.rust.jsonl.gz"}
DEMO_EXCHANGES = 300
EXPORT = "/v1/export"  # 1.2 MB an answer


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--exchanges", type=int, default=2000, help="how many requests")
    parser.add_argument("--seed", type=int, default=7, help="same seed, same requests")
    parser.add_argument("--out-dir", type=Path, help="where to write; default: into the tree")
    parser.add_argument("--demo", action="store_true", help="cut the captures of shadow demo")
    options = parser.parse_args()
    try:
        if options.demo:
            cut_demo(options.out_dir or DEMO_DATA)
            learn_noise(options.out_dir or DEMO_DATA)
        else:
            record(options.out_dir or REPLAY_DATA, exchanges=options.exchanges, seed=options.seed)
    except ShadowError as problem:
        print(f"record: {problem.message} ({problem.hint})", file=sys.stderr)
        return problem.exit_code
    return 0


def record(folder: Path, *, exchanges: int, seed: int) -> None:
    """Record the same traffic with either service."""
    for binary, name in ((run.GO, CAPTURES["go"]), (run.RUST, CAPTURES["rust"])):
        out = folder / name
        with run.running(binary) as service:
            count = traffic.record(url=service.url, exchanges=exchanges, seed=seed, out=out)
        print(f"{out}: {count} exchanges", file=sys.stderr)


def cut_demo(folder: Path) -> None:
    """Write the first sessions of both committed captures, whole ones, to `folder`."""
    sessions = first_sessions(_exchanges("go"))
    folder.mkdir(parents=True, exist_ok=True)
    for side in CAPTURES:
        out = folder / f"{side}.jsonl.gz"
        kept = [each for each in _exchanges(side) if each.session in sessions]
        with open_writer(out) as writer:
            for exchange in kept:
                writer.write(exchange)
        out.chmod(0o644)  # made-up users: everybody may read it
        print(f"{out}: {len(kept)} exchanges", file=sys.stderr)


def learn_noise(folder: Path) -> None:
    """Write where Go differs from itself on the requests of the demo."""
    out = folder / "noise.json"
    with run.running(run.GO) as first, run.running(run.GO) as second:
        subprocess.run(  # noqa: S603 - our own command
            [
                *(sys.executable, "-m", "shadow", "noise", "learn", str(folder / "go.jsonl.gz")),
                *("--go", first.url, "--secondary", second.url, "--out", str(out)),
                *("--config", str(REPLAY_DATA / "shadow.toml")),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    out.chmod(0o644)
    print(f"{out}: noise", file=sys.stderr)


def first_sessions(exchanges: list[Exchange]) -> set[str]:
    """The sessions that begin first, without exports, up to about `DEMO_EXCHANGES` in all."""
    lengths = Counter(each.session for each in exchanges)
    exporting = {each.session for each in exchanges if each.request.target == EXPORT}
    sessions: set[str] = set()
    count = 0
    for session in dict.fromkeys(each.session for each in exchanges):
        if session is None or session in exporting:
            continue
        if count >= DEMO_EXCHANGES:
            break
        sessions.add(session)
        count += lengths[session]
    return sessions


def _exchanges(side: str) -> list[Exchange]:
    records = read([REPLAY_DATA / CAPTURES[side]])
    return [each for each in records if isinstance(each, Exchange)]


if __name__ == "__main__":
    sys.exit(main())
