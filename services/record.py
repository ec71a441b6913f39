"""Records the committed captures: the same traffic answered by Go and by Rust.

    python services/record.py

Build the services first with services/build.sh.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from services import run, traffic
from shadow.errors import ShadowError

REPLAY_DATA = Path(__file__).resolve().parent.parent / "replay_data"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--exchanges", type=int, default=2000, help="how many requests")
    parser.add_argument("--seed", type=int, default=7, help="same seed, same requests")
    parser.add_argument("--out-dir", type=Path, default=REPLAY_DATA, help="where to write")
    options = parser.parse_args()
    captures = {run.GO: "catalogue.jsonl.gz", run.RUST: "catalogue.rust.jsonl.gz"}
    try:
        for binary, name in captures.items():
            out = options.out_dir / name
            with run.running(binary) as service:
                count = traffic.record(
                    url=service.url, exchanges=options.exchanges, seed=options.seed, out=out
                )
            print(f"{out}: {count} exchanges", file=sys.stderr)
    except ShadowError as problem:
        print(f"record: {problem.message} ({problem.hint})", file=sys.stderr)
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
