"""A process that listens, uses CPU time when it is told to, and says what it used."""

from __future__ import annotations

import os
import socket
import sys
import time


def say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        say(listening.getsockname()[1])
        held: list[bytes] = []
        for line in sys.stdin:
            if line == "burn\n":
                until = time.process_time() + 0.3
                while time.process_time() < until:
                    pass
            elif line == "hold\n":
                held.append(os.urandom(1) * 50_000_000)
            elif line == "child\n" and os.fork() == 0:
                until = time.process_time() + 0.3
                while time.process_time() < until:
                    pass
                os._exit(0)
            elif line == "wait\n":
                os.wait()
            say("done")


main()
