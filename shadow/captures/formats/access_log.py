"""Access logs of nginx, Apache and AWS load balancers: method, target, status and time, no more.

nginx and Apache write the common or the combined format, with more at the end as configured; a
duration is taken from there where it is plain to see. A line is one exchange; of its bodies and
headers nothing is known.
Sources: https://httpd.apache.org/docs/current/logs.html#accesslog,
https://nginx.org/en/docs/http/ngx_http_log_module.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from shadow.captures.formats.urls import split_url
from shadow.captures.records import Broken, Fidelity, Record, record_of
from shadow.captures.streams import Chunks, Damage, split_records
from shadow.captures.syntax import MalformedError, check_headers, check_start
from shadow.model import Exchange, Request, Response

_QUOTED: Final = r'"((?:[^"\\]|\\.)*+)"'
# [vhost[:port]] client ident user [time] "request" status bytes …
_LINE: Final = re.compile(
    r"(?:(?P<host>[^\s\"\[]+) )?\S+ \S+ \S[^\[]*? ?\[(?P<time>[^\]]{20,40})\] "
    rf"{_QUOTED.replace('(', '(?P<request>', 1)} (?P<status>[0-9]{{3}}) (?:[0-9]+|-)(?P<rest>.*)",
    re.DOTALL,
)
# The request_time of nginx, in seconds with a point, as the last field. Not inside of a quoted one,
# nor in place of the referer and the agent, where it is whatever the client said.
_QUIET: Final = _QUOTED.replace("((", "(?:(")
_SECONDS: Final = re.compile(
    rf'(?: {_QUIET}){{0,2}}+(?: (?:{_QUIET}|[^\s"]++))*? "?(?:rt=)?([0-9]{{1,7}}\.[0-9]{{3}})"?'
)
_TOOK: Final = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,9})?")
_TIME: Final = re.compile(
    r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII
)
# Whatever the locale here, a log has these.
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_REQUEST: Final = re.compile(r"(\S+) (\S.*?)(?: (HTTP/[0-9](?:\.[0-9])?))?", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "v": "\v", "f": "\f"}
# type time elb client target request_time target_time response_time elb_status target_status
# received sent "request" …
_BALANCER: Final = re.compile(
    r"(?:https?|h2|grpcs|wss?) (?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T\S+) \S+ \S+ \S+ \S+ "
    r"(?P<took>\S+) \S+ (?P<status>[0-9]{3}|-) \S+ \S+ \S+ "
    rf"{_QUOTED.replace('(', '(?P<request>', 1)}.*",
    re.DOTALL,
)
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class AccessLog:
    """Lines of an access log; each starts like one, or it is broken."""

    name = "access log"
    fidelity = Fidelity(
        response_body=False,
        request_body=False,
        whole_body=False,
        headers=False,
        header_order=False,
        header_repeats=False,
    )

    def sniff(self, head: bytes) -> bool:
        """Look for a first line with a time in brackets or that of a load balancer."""
        line = head.lstrip().partition(b"\n")[0].rstrip(b"\r").decode("latin-1")
        return _LINE.fullmatch(line) is not None or _BALANCER.fullmatch(line) is not None

    def read(self, stream: Chunks, path: str) -> Iterator[Record]:
        """Yield one exchange a line, with the ids `log-000001` and on by line."""
        for number, line in split_records(stream, b"\n"):
            if isinstance(line, Damage):
                yield Broken(path=path, line=number, reason=line.reason)
            elif line and not line.isspace():
                try:
                    yield _record(line.rstrip(b"\r").decode("latin-1"), number, path)
                except MalformedError as error:
                    yield Broken(path=path, line=number, reason=str(error))


def _record(line: str, number: int, path: str) -> Record:
    balanced = _BALANCER.fullmatch(line)
    found = balanced or _LINE.fullmatch(line)
    if found is None:
        raise MalformedError("it is no line of an access log")
    asked = _REQUEST.fullmatch(_unescaped(found["request"]))
    if asked is None or asked[1] == "-":
        raise MalformedError("its request was none that the server could read")
    method, target = asked[1], asked[2]
    host = None if balanced else found["host"]
    if balanced:
        host, target = split_url(target)
    check_start(method, target)
    host = (host or "").removesuffix(":80").removesuffix(":443")
    unnamed = not host or host.startswith(":")  # nginx knows no host of a request that was none
    headers = () if unnamed else (("Host", host),)
    check_headers(headers, "request")
    request = Request(
        method=method, target=target, headers=headers, truncated=method not in _BODILESS
    )
    response = None
    if found["status"] != "-":
        response = Response(status=int(found["status"]), truncated=True)
        if response.status < 100:
            raise MalformedError("the status is not between 100 and 999")
    exchange = Exchange(
        id=f"log-{number:06}",
        request=request,
        response=response,
        latency_ms=None if response is None else _latency_ms(found, balanced=bool(balanced)),
        ts=_moment(found["time"], balanced=bool(balanced)),
    )
    return record_of(exchange, path, number)


def _unescaped(text: str) -> str:
    """Undo the escapes of Apache and nginx: a quote, a backslash, a byte in hexadecimal."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(
        lambda found: chr(int(found[1], 16)) if found[1] else _LETTERS.get(found[2], found[2]), text
    )


def _latency_ms(found: re.Match[str], *, balanced: bool) -> float | None:
    if balanced:
        took = found["took"]  # -1 where no target was asked
        return float(took) * 1000 if _TOOK.fullmatch(took) else None
    seconds = _SECONDS.fullmatch(found["rest"])
    return float(seconds[1]) * 1000 if seconds else None


def _moment(text: str, *, balanced: bool) -> datetime:
    try:
        if balanced:
            return datetime.fromisoformat(text).astimezone(UTC)
        return _logged(text)
    except (ValueError, OverflowError):
        raise MalformedError("its time is none") from None


def _logged(text: str) -> datetime:
    parts = _TIME.fullmatch(text)
    if parts is None:
        raise ValueError
    day, month, year, hour, minute, second, sign, hours, minutes = parts.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    zone = timezone(-offset if sign == "-" else offset)
    fields = (int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute))
    return datetime(*fields, int(second), tzinfo=zone).astimezone(UTC)
