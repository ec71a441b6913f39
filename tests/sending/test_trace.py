from __future__ import annotations

import errno
import ssl

import httpx  # noqa: TID251  its errors are what is read here
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, StreamReset
from h2.exceptions import FrameTooLargeError

from shadow.sending.trace import Ended, RequestTrace, ended, failures, system_error


def caused(error: Exception, *causes: BaseException) -> Exception:
    """The error with a chain of causes below it."""
    above: BaseException = error
    for cause in causes:
        above.__cause__ = cause
        above = cause
    return error


def test_what_the_system_said_is_found_below_what_was_made_of_it() -> None:
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    summary = OSError("All connection attempts failed")  # anyio: no number, so it says nothing
    assert system_error(caused(httpx.ConnectError("x"), summary, refused)) is refused
    group = ExceptionGroup("attempts", [refused, OSError("other")])
    assert system_error(caused(httpx.ConnectError("x"), summary, group)) is refused
    denied = ssl.SSLError(1, "handshake")
    assert system_error(caused(httpx.ConnectError("x"), denied)) is denied
    assert system_error(caused(httpx.ReadError("x"), ValueError("y"))) is None


def test_a_chain_that_bites_its_tail_ends() -> None:
    error = httpx.ConnectError("x")
    other = ValueError("y")
    error.__cause__, other.__cause__ = other, error
    assert system_error(error) is None


def test_the_end_of_a_stream_and_of_a_connection() -> None:
    reset = StreamReset(stream_id=3, error_code=ErrorCodes.CANCEL)
    assert ended(caused(httpx.RemoteProtocolError("x"), Exception(reset))) == Ended("CANCEL", 3)
    gone = ConnectionTerminated()
    gone.error_code = ErrorCodes.NO_ERROR
    assert ended(caused(httpx.RemoteProtocolError("x"), Exception(gone))) == Ended("NO_ERROR", None)


def test_an_error_of_ours_is_no_such_end() -> None:
    """An error of h2 has a code too: the one that it would send."""
    ours = FrameTooLargeError("too large")
    assert ended(caused(httpx.LocalProtocolError("x"), Exception(ours))) is None
    assert ended(httpx.ReadError("x")) is None
    assert isinstance(ours, failures())


def test_progress() -> None:
    trace = RequestTrace()
    assert trace.progress() == "before the head of an answer"
    trace.head(httpx.Response(200, headers={"Content-Length": "9"}))
    trace.body += b"four"
    assert trace.progress() == "after 4 of 9 bytes of body"
