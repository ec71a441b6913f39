from __future__ import annotations

import socket

from shadow.model import NoAnswer
from shadow.sending.no_answer import connect_failure
from shadow.sending.target import parse_target


def test_a_name_that_does_not_resolve() -> None:
    target = parse_target("http://h.test", side="baseline", name="go", option="--go")
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert connect_failure(error, target) == NoAnswer(
        kind="connect", detail="h.test: Name or service not known"
    )
    several = OSError("Multiple exceptions: refused, refused")
    assert connect_failure(several, target).detail == f"h.test: {several}"
