"""The table of error texts: one mistake in the words of Go's and of Rust's libraries.

A named group that both texts of a pair have (the quoted input, the length, the part of a date)
must hold the same; `_EMPTY` and `_GIVEN` tell apart the inputs for which Rust has two texts. The
texts were read off Go 1.26 and Rust 1.95 with uuid 1, chrono 0.4, time 0.3, jiff 0.2, url 2,
serde_json 1, tokio 1, hex 0.4 and base64 0.22; those of databases are the ones documented by
database/sql, lib/pq, pgx, sqlx, tokio-postgres, diesel and rusqlite.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Final, NamedTuple

MAX_TEXT: Final = 2_000


class Twins(NamedTuple):
    """One mistake: how Go tells it, and how Rust may."""

    go: re.Pattern[str]
    rust: tuple[re.Pattern[str], ...]


def _twins(go: str, *rust: str) -> Twins:
    return Twins(re.compile(go), tuple(map(re.compile, rust)))


_EMPTY: Final = r'""'
_GIVEN: Final = r'"(?P<input>(?:[^"\\]|\\.)+)"'
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_INTEGER: Final = r"strconv\.(?:Atoi|ParseInt|ParseUint): parsing "

_NUMBERS: Final = (
    _twins(_INTEGER + _EMPTY + ": invalid syntax", "cannot parse integer from empty string"),
    _twins(_INTEGER + _GIVEN + ": invalid syntax", "invalid digit found in string"),
    _twins(_INTEGER + r'"\+?[0-9]+": value out of range', "number too large to fit in target type"),
    _twins(_INTEGER + r'"-[0-9]+": value out of range', "number too small to fit in target type"),
    _twins(
        f"strconv\\.ParseFloat: parsing {_EMPTY}: invalid syntax",
        "cannot parse float from empty string",
    ),
    _twins(f"strconv\\.ParseFloat: parsing {_GIVEN}: invalid syntax", "invalid float literal"),
    _twins(
        f"strconv\\.ParseBool: parsing {_QUOTED}: invalid syntax",
        "provided string was not `true` or `false`",
    ),
)

_ERRNO: Final = {
    1: "Operation not permitted",
    2: "No such file or directory",
    4: "Interrupted system call",
    5: "Input/output error",
    9: "Bad file descriptor",
    11: "Resource temporarily unavailable",
    12: "Cannot allocate memory",
    13: "Permission denied",
    17: "File exists",
    20: "Not a directory",
    21: "Is a directory",
    22: "Invalid argument",
    24: "Too many open files",
    28: "No space left on device",
    30: "Read-only file system",
    32: "Broken pipe",
    36: "File name too long",
    39: "Directory not empty",
    98: "Address already in use",
    99: "Cannot assign requested address",
    101: "Network is unreachable",
    104: "Connection reset by peer",
    110: "Connection timed out",
    111: "Connection refused",
    113: "No route to host",
}
_KINDS: Final = {
    2: "entity not found",
    13: "permission denied",
    17: "entity already exists",
    32: "broken pipe",
    104: "connection reset",
    110: "timed out",
    111: "connection refused",
}
_SENTINELS: Final = {2: "file does not exist", 17: "file already exists"}
_FETCH: Final = r'(?:[A-Z][a-z]+ "[^"]*": )?'
_CALL: Final = (
    r"(?:(?:dial|read|write|listen) (?:tcp|udp|unix)[46]? \S+: (?:[a-z]+: )?|[a-z/]+ [^:\n]*: )?"
)
_CONNECT: Final = "(?:error trying to connect: )?(?:tcp connect error: )?"


def _of_errno(number: int, text: str) -> Twins:
    own = re.escape(text[0].lower() + text[1:])
    go = "|".join([own, *([_SENTINELS[number]] if number in _SENTINELS else [])])
    rust = "|".join(
        [rf"{text} \(os error {number}\)", *([_KINDS[number]] if number in _KINDS else [])]
    )
    return _twins(f"{_FETCH}{_CALL}(?:{go})", f"{_CONNECT}(?:{rust})")


_SYSTEM: Final = tuple(_of_errno(number, text) for number, text in _ERRNO.items())

_TIMED_OUT: Final = (
    "deadline has elapsed",
    "(?:(?:operation|request|future has) )?timed out",
    "pool timed out while waiting for an open connection",
)
_CONTEXT: Final = (
    _twins(
        _FETCH + r"context deadline exceeded(?: \(Client\.Timeout[^()]*\))?",
        *_TIMED_OUT,
    ),
    _twins(f"{_FETCH}{_CALL}i/o timeout", *_TIMED_OUT, r"Connection timed out \(os error 110\)"),
    _twins(
        f"{_FETCH}context canceled",
        "task(?: [0-9]+)? was cancelled",
        "operation was canceled",
        "oneshot canceled",
    ),
    _twins("unexpected EOF", "unexpected end of file"),
    _twins(
        '[A-Z][a-z]+ "(?P<url>[^"]+)": .+',
        r"error sending request for url \((?P<url>[^()]+)\)(?:: .+)?",
    ),
)

_MESSAGE: Final = "(?P<message>.+)"
_DATABASES: Final = (
    _twins(
        "(?:sql: )?no rows in result set|record not found",
        "no rows returned by a query that expected to return at least one row",
        "Query returned no rows",
        "Record not found",
        "query returned an unexpected number of rows",
    ),
    _twins("sql: database is closed", "attempted to acquire a connection on a closed pool"),
    _twins(
        rf"pq: {_MESSAGE}|ERROR: (?P<told>.+) \(SQLSTATE [0-9A-Z]{{5}}\)",
        f"(?:error returned from database|db error: ERROR): {_MESSAGE}",
    ),
    _twins(
        r"Error (?P<message>[0-9]{4} \([0-9A-Z]{5}\): .+)",
        f"error returned from database: {_MESSAGE}",
    ),
    _twins(
        "(?P<message>[A-Z ]+ constraint failed(?:: .+)?)",
        rf"error returned from database: \(code: [0-9]+\) {_MESSAGE}",
    ),
)

_UUID: Final = "(?:UUID parsing failed: )?"
_BAD_UUID: Final = (
    _UUID + r"invalid character: (?:expected .+, )?found `.` at [0-9]+",
    _UUID + "invalid group count: expected 5, found [0-9]+",
    _UUID + "invalid group length in group [0-9]: expected [0-9]+, found [0-9]+",
)
_IDENTIFIERS: Final = (
    _twins(
        "invalid UUID length: (?P<length>[0-9]+)",
        _UUID + "invalid length: (?:expected .+, )?found (?P<length>[0-9]+)",
        *_BAD_UUID,
    ),
    _twins("invalid UUID format", *_BAD_UUID),
)

_AT: Final = " at line [0-9]+ column [0-9]+"
_SYNTAX: Final = {
    "looking for beginning of value": ("expected value", "expected ident"),
    "looking for beginning of object key string": ("key must be a string", "trailing comma"),
    "after top-level value": ("trailing characters", "invalid number"),
    "after object key": ("expected `:`",),
    "after object key:value pair": ("expected `,` or `}`",),
    "after array element": (r"expected `,` or `\]`",),
    "in string escape code": ("invalid escape",),
    r"in \\u hexadecimal character escape": ("invalid escape",),
    "in string(?: literal)?": (
        r"control character \(\\u0000-\\u001F\) found while parsing a string",
    ),
    r"in literal (?:true|false|null) \(expecting '.'\)": ("expected ident",),
    "in numeric literal": ("invalid number",),
}
_GOT: Final = {
    "string": 'string "[^"]*"',
    "number": "(?:integer|floating point) `[^`]+`",
    "number (?P<input>[^ ]+)": "(?:integer|floating point) `(?P<input>[^`]+)`",
    "bool": "boolean `(?:true|false)`",
    "array": "sequence",
    "object": "map",
}
_WANTED: Final = {
    "u?int(?:8|16|32|64)?": "(?:[ui](?:8|16|32|64|size)|integer)",
    "float(?:32|64)": "(?:f(?:32|64)|floating point number)",
    "string": "a (?:borrowed )?string",
    "bool": "a boolean",
    r"\[\].+": "a sequence",
    r"map\[.+": "a map",
    r"[a-z]\w*\.[A-Z]\w*": "struct [A-Z][A-Za-z0-9]*",
}


def _of_types(got: tuple[str, str], wanted: tuple[str, str]) -> Twins:
    return _twins(
        f"json: cannot unmarshal {got[0]} into Go (?:struct field [^ ]+|value) of type {wanted[0]}",
        f"invalid (?:type|value): {got[1]}, expected {wanted[1]}{_AT}",
    )


_JSON: Final = (
    _twins(
        "unexpected end of JSON input|unexpected EOF|EOF",
        f"EOF while parsing (?:a value|an object|a list|a string){_AT}",
    ),
    *(
        _twins(rf"invalid character '(?:[^'\\]|\\.)+' {go}", f"(?:{'|'.join(rust)}){_AT}")
        for go, rust in _SYNTAX.items()
    ),
    *(_of_types(got, wanted) for got, wanted in product(_GOT.items(), _WANTED.items())),
    _twins(
        "json: cannot unmarshal array into Go value of type [a-z]\\w*\\.[A-Z]\\w*",
        f"invalid length [0-9]+, expected struct [A-Za-z0-9]+ with [0-9]+ elements?{_AT}",
    ),
    _twins(
        'json: unknown field "(?P<field>[^"]+)"',
        f"unknown field `(?P<field>[^`]+)`, (?:expected .+|there are no fields){_AT}",
    ),
)

_TIME: Final = r'parsing time "(?:[^"\\]|\\.)*"'
_LAYOUT: Final = rf'{_TIME} as "[^"]+": cannot parse "(?:[^"\\]|\\.)*" as '
_SHORT: Final = ("premature end of input", "input contains invalid characters")
_TIMES: Final = (
    _twins(
        f"{_TIME}: (?P<part>month|day|hour|minute|second) out of range",
        "input is out of range",
        "(?P<part>[a-z]+) was not in range",
        r"(?:.+: )?parameter '(?P<part>[a-z]+)' (?:with value -?[0-9]+ )?is not in the required "
        r"range of -?[0-9]+\.\.=[0-9]+",
        r"parsed date is not valid: parameter '(?P<part>day)' for `[0-9-]+` is invalid, "
        r"must be in range `1\.\.=[0-9]{2}`",
    ),
    _twins(
        f'{_TIME}: extra text: "(?P<rest>.+)"',
        "trailing input",
        "unexpected trailing characters; the end of input was expected",
        r'parsed value .+, but unparsed input "(?P<rest>.+)" remains '
        r"\(expected no unparsed input\)",
    ),
    _twins(
        _LAYOUT + '"2006"',
        *_SHORT,
        "the 'year' component could not be parsed",
        r"expected four digit year \(or leading sign for six digit year\), but found end of input",
    ),
    _twins(
        _LAYOUT + '"T"',
        *_SHORT,
        "the 'separator' component could not be parsed",
        "failed to find time component, which is required for parsing a timestamp",
    ),
    _twins(
        _LAYOUT + '"Z07:00"',
        *_SHORT,
        "the 'offset hour' component could not be parsed",
        "failed to find offset component, which is required for parsing a timestamp",
    ),
    _twins(_LAYOUT + '"(?:01|02|15|04|05|-|:)"', *_SHORT),
    _twins(f"time: invalid duration {_EMPTY}", "value was empty"),
    _twins(f"time: invalid duration {_GIVEN}", "expected number at [0-9]+"),
    _twins(f"time: missing unit in duration {_GIVEN}", "time unit needed, for example 5sec or 5ms"),
    _twins(
        rf'time: unknown unit "(?P<unit>[^"]+)" in duration {_GIVEN}',
        'unknown time unit "(?P<unit>[^"]+)", supported units: .+',
    ),
    _twins(
        r"unknown time zone (?P<zone>\S+)",
        "failed to parse timezone",
        "failed to find time zone `(?P<zone>[^`]+)` in time zone database",
    ),
)

_ADDRESS: Final = "invalid (?:IP|IPv4|IPv6) address syntax"
_NETWORK: Final = (
    _twins(rf"ParseAddr\({_QUOTED}\): .+", _ADDRESS),
    _twins(r"invalid IP address: \S+", _ADDRESS),
    _twins(r"invalid CIDR address: \S*", _ADDRESS),
    _twins(r"address \S*: missing port in address", "invalid socket address syntax"),
    _twins(f"not an ip:port|invalid port {_QUOTED} parsing .+", "invalid socket address syntax"),
    _twins(
        rf"{_FETCH}(?:dial tcp: )?lookup \S+(?: on \S+)?: no such host",
        rf"{_CONNECT}(?:dns error: )?failed to lookup address information: "
        "Name or service not known",
    ),
)

_PARSE: Final = rf"parse {_QUOTED}: "
_URLS: Final = (
    _twins(
        _PARSE + "(?:missing protocol scheme|invalid URI for request|empty url"
        "|first path segment in URL cannot contain colon)",
        "relative URL without a base",
    ),
    _twins(_PARSE + r'invalid port "[^"]*" after host', "invalid port number"),
    _twins(_PARSE + r"missing '\]' in host", "invalid IPv6 address"),
    _twins(
        _PARSE + r'invalid character "(?:[^"\\]|\\.)+" in host name',
        "invalid international domain name",
        "invalid domain character",
    ),
)

_ENCODINGS: Final = (
    _twins("encoding/hex: odd length hex string", "Odd number of digits"),
    _twins(
        r"encoding/hex: invalid byte: U\+[0-9A-F]{4,6} '(?P<byte>.)'",
        "Invalid character '(?P<byte>.)' at position [0-9]+",
    ),
    _twins(
        "illegal base64 data at input byte (?P<offset>[0-9]+)",
        r"Invalid (?:symbol|byte|last symbol) [0-9]+, offset (?P<offset>[0-9]+)\.",
        "Invalid padding",
        "Invalid input length: [0-9]+",
    ),
)

TABLE: Final = (
    *_NUMBERS,
    *_SYSTEM,
    *_CONTEXT,
    *_DATABASES,
    *_IDENTIFIERS,
    *_JSON,
    *_TIMES,
    *_NETWORK,
    *_URLS,
    *_ENCODINGS,
)


def same_mistake(go: str, rust: str) -> bool:
    """Whether two error texts are paired in the table, alone or after one shared context."""
    if max(len(go), len(rust)) > MAX_TEXT:
        return False
    return any(_paired(*ends) for ends in _without_context(go, rust))


def _without_context(go: str, rust: str) -> Iterator[tuple[str, str]]:
    """The two texts, and what follows the longest `context: ` with which both begin."""
    yield go, rust
    shared = 0
    for ours, theirs in zip(go, rust, strict=False):
        if ours != theirs:
            break
        shared += 1
    start = go.rfind(": ", 0, shared)
    if start > 0:
        yield go[start + 2 :], rust[start + 2 :]


def _paired(go: str, rust: str) -> bool:
    for twins in TABLE:
        ours = twins.go.fullmatch(go)
        if ours is None:
            continue
        for pattern in twins.rust:
            theirs = pattern.fullmatch(rust)
            if theirs is not None and _agree(ours, theirs):
                return True
    return False


def _agree(go: re.Match[str], rust: re.Match[str]) -> bool:
    """Whether what both texts quote is the same."""
    quoted = rust.groupdict()
    told = go.groupdict()
    if "told" in told:
        told = {"message": told["told"] or told["message"]}
    return all(quoted[name] == value for name, value in told.items() if name in quoted)
