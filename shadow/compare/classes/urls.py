"""URLs: the same address as an object, normalised, or with other characters escaped."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote, unquote_plus, unquote_to_bytes

from shadow.compare.classes.base import DivergenceClass, Place
from shadow.compare.classes.examples import json_pair
from shadow.compare.classes.value_types import STRINGS, TEXTS, between

MAX_TEXT: Final = 2_000
_PORTS: Final = {"http": "80", "ws": "80", "https": "443", "wss": "443", "ftp": "21"}
_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z]{2,5})://"
    r"(?:(?P<user>[A-Za-z0-9._~!$&()*+,%-]*)(?P<secret>:[A-Za-z0-9._~!$&()*+,%-]*)?@)?"
    r"(?P<host>[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?)"
    r"(?::(?P<port>[0-9]{0,5}))?"
    r"(?P<path>/[^?#]*)?"
    r"(?P<query>\?[^#]*)?"
    r"(?P<fragment>#.*)?"
)
_DOTTED_QUAD: Final = re.compile(
    r"(?:(?:0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])(?:\.(?!$)|$)){4}"
)
_UNSURE: Final = re.compile(r"[\x00-\x1f\x7f\\^|]")
"""Characters that versions of the url crate treat differently, or that it drops."""
_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))


def _all_but(escaped: str) -> str:
    return "".join(character for character in _ASCII if character not in escaped)


_PATH_SAFE: Final = _all_but('"<>`#?{}')
_QUERY_SAFE: Final = _all_but("\"<>#'")
_FRAGMENT_SAFE: Final = _all_but('"<>`')


def as_url_crate(text: str) -> str | None:
    """What `url::Url` makes of an absolute URL of a web scheme; None where that is unsure.

    Follows the WHATWG URL Standard: lower-case scheme and host, no default port, dot segments
    resolved, `/` for an empty path, the percent-encode sets of path, special query, fragment.
    IPv6, international and odd numeric hosts are not examined.
    """
    if len(text) > MAX_TEXT or _UNSURE.search(text):
        return None
    match = _URL.fullmatch(text)
    if match is None:
        return None
    scheme, host = match["scheme"].lower(), match["host"].lower()
    if scheme not in _PORTS or not _plain_host(host):
        return None
    try:
        return f"{scheme}://{_user(match)}{host}{_port(match, scheme)}" + "".join(
            (
                _path(match["path"] or "/"),
                quote(match["query"] or "", safe=_QUERY_SAFE),
                quote(match["fragment"] or "", safe=_FRAGMENT_SAFE),
            )
        )
    except UnicodeEncodeError:
        return None


def _plain_host(host: str) -> bool:
    """No host that would be read as a number, other than a dotted quad as it should be."""
    last = host.rstrip(".").rpartition(".")[2]
    numeric = last.isdigit() or last.startswith("0x")
    return "xn--" not in host and (not numeric or bool(_DOTTED_QUAD.fullmatch(host)))


def _user(match: re.Match[str]) -> str:
    user = match["user"] or ""
    secret = match["secret"] or ""
    if len(secret) > 1:
        return f"{user}{secret}@"
    return f"{user}@" if user else ""


def _port(match: re.Match[str], scheme: str) -> str:
    port = (match["port"] or "").lstrip("0") or ("0" if match["port"] else "")
    return f":{port}" if port and port != _PORTS[scheme] else ""


def _path(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        plain = re.sub("%2[eE]", ".", segment)
        if plain == "..":
            kept = kept[:-1]
        elif plain != ".":
            kept.append(quote(segment, safe=_PATH_SAFE))
    if re.sub("%2[eE]", ".", segments[-1]) in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _is_url_normalise(place: Place) -> bool:
    go, rust = place.go, place.rust
    if not place.in_json or not isinstance(go, str) or not isinstance(rust, str) or go == rust:
        return False
    return as_url_crate(go) == rust


_FIELDS: Final = {
    "Scheme": str,
    "Opaque": str,
    "Host": str,
    "Path": str,
    "RawPath": str,
    "RawQuery": str,
    "Fragment": str,
    "RawFragment": str,
    "ForceQuery": bool,
    "OmitHost": bool,
}
_HOST: Final = re.compile(r"[A-Za-z0-9._~-]*(?::[0-9]*)?")


def _is_url_object(place: Place) -> bool:
    if not place.in_json or not isinstance(place.go, dict) or not isinstance(place.rust, str):
        return False
    text = _reassembled(place.go)
    return text is not None and (text == place.rust or as_url_crate(text) == place.rust)


def _reassembled(url: dict[str, Any]) -> str | None:
    """What `String` of a Go `url.URL` gives; None where a field is not of one.

    A URL with a user has lost it in JSON (`"User":{}`), so it cannot be put together again.
    """
    if not _is_url(url) or url.get("User") is not None or url.get("OmitHost") or url.get("Opaque"):
        return None
    parts = [url.get(name, "") for name in ("Path", "RawPath", "Fragment", "RawFragment")]
    path = _escaped(parts[0], parts[1], "$&+,/:;=@~")
    fragment = _escaped(parts[2], parts[3], "$&+,/:;=?@~!()*")
    if path is None or fragment is None or (path and not path.startswith("/")):
        return None
    asked = "?" if url["RawQuery"] or url.get("ForceQuery") else ""
    text = f"{url['Scheme']}://{url['Host']}{path}{asked}{url['RawQuery']}"
    return f"{text}#{fragment}" if fragment else text


def _is_url(url: dict[str, Any]) -> bool:
    """An object with the fields of a Go `url.URL` that has a scheme and a host."""
    others = [value for name, value in url.items() if name not in _FIELDS and name != "User"]
    if not {"Scheme", "Host", "Path", "RawQuery"} <= url.keys() or any(others):
        return False
    if not all(isinstance(url.get(name, kind()), kind) for name, kind in _FIELDS.items()):
        return False
    if sum(len(value) for value in url.values() if isinstance(value, str)) > MAX_TEXT:
        return False
    return bool(url["Scheme"]) and bool(url["Host"]) and bool(_HOST.fullmatch(url["Host"]))


def _escaped(plain: str, raw: str, safe: str) -> str | None:
    """A decoded part as Go writes it: its raw form where that stands for it."""
    try:
        if raw and re.fullmatch(r"[A-Za-z0-9!$&'()*+,;=:@\[\]/?._~%-]+", raw):
            return raw if unquote_to_bytes(raw) == plain.encode() else None
        return quote(plain, safe=safe)
    except UnicodeEncodeError:
        return None


def _encoder(safe: str, *, plus: bool = False) -> Callable[[str], str]:
    """Escapes all but letters, digits and `safe` (urllib never escapes `_.-~`)."""

    def encode(text: str) -> str:
        escaped = quote_plus(text, safe=safe) if plus else quote(text, safe=safe)
        for kept in "_.-~":
            if kept not in safe:
                escaped = escaped.replace(kept, f"%{ord(kept):02X}")
        return escaped

    return encode


_GO_ENCODERS: Final = (
    (_encoder("-_.~", plus=True), unquote_plus),  # url.QueryEscape
    (_encoder("-_.~$&+=:@"), unquote),  # url.PathEscape
)
_RUST_ENCODERS: Final = (
    _encoder("*-._", plus=True),  # form_urlencoded
    _encoder(""),  # percent_encoding::NON_ALPHANUMERIC
    _encoder("-_.~"),  # urlencoding::encode
    _encoder("-_.!~*'()"),  # an AsciiSet for encodeURIComponent
)
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|[\x00-\x20\x7f\"<>]")
_HARMLESS: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!*'(),"
)
"""Bytes that mean the same escaped or not, wherever they stand in a URL."""


def _is_escape_set(place: Place) -> bool:
    """Both are escaped, and one text: known escapers give them, or only harmless escapes differ."""
    go, rust = place.go, place.rust
    if not place.in_json or not isinstance(go, str) or not isinstance(rust, str) or go == rust:
        return False
    if max(len(go), len(rust)) > MAX_TEXT or _BAD_ESCAPE.search(go) or _BAD_ESCAPE.search(rust):
        return False
    if not _escapes(go) or not _escapes(rust):
        return False
    try:
        return _by_known_escapers(go, rust) or _harmless(go) == _harmless(rust)
    except UnicodeEncodeError:
        return False


def _escapes(text: str) -> bool:
    return "%" in text or "+" in text


def _by_known_escapers(go: str, rust: str) -> bool:
    for encode, decode in _GO_ENCODERS:
        plain = decode(go)
        if encode(plain) == go and any(other(plain) == rust for other in _RUST_ENCODERS):
            return True
    return False


def _harmless(text: str) -> str:
    """The text with harmless escapes undone; in the query, `+` is a space."""

    def undo(match: re.Match[str]) -> str:
        byte = int(match[1], 16)
        return chr(byte) if byte in _HARMLESS else match[0].upper()

    path, mark, query = text.partition("?")
    segments = [(segment, _ESCAPE.sub(undo, segment)) for segment in path.split("/")]
    # An escaped dot segment may be resolved or not: that is no matter of spelling.
    kept = [raw if plain in (".", "..") else plain for raw, plain in segments]
    return "/".join(kept) + mark + _ESCAPE.sub(undo, query.replace("+", "%20"))


CLASSES: Final = (
    DivergenceClass(
        id="url-object",
        title="A URL as an object in Go, as a string in Rust",
        go='url.URL is a struct: {"Scheme":"https","Host":"h","Path":"/p",…}.',
        rust="url::Url is its text.",
        impact="Breaks every client that reads it.",
        fix_go="Put u.String() into the field.",
        fix_rust="Nothing to do.",
        severity="breaking",
        policy="fail",
        at=_is_url_object,
        types=between(("object",), STRINGS),
        valid=(
            json_pair(
                '{"u":{"Scheme":"https","Opaque":"","User":null,"Host":"h","Path":"/p",'
                '"Fragment":"","RawQuery":"q=1","RawPath":"","RawFragment":"",'
                '"ForceQuery":false,"OmitHost":false}}',
                '{"u":"https://h/p?q=1"}',
            ),
            json_pair(
                '{"u":{"Scheme":"http","Host":"h:8080","Path":"","RawQuery":""}}',
                '{"u":"http://h:8080/"}',
            ),
            json_pair(
                '{"u":{"Scheme":"http","Host":"h","Path":"/a/b","RawPath":"/a%2Fb",'
                '"RawQuery":"","Fragment":"x y"}}',
                '{"u":"http://h/a%2Fb#x%20y"}',
            ),
        ),
        invalid=(
            json_pair(
                '{"u":{"Scheme":"https","Host":"h","Path":"/p","RawQuery":"q=1"}}',
                '{"u":"https://h/p?q=2"}',
            ),
            json_pair(
                '{"u":{"Scheme":"https","Host":"h","Path":"/p","RawQuery":""}}',
                '{"u":"http://h/p"}',
            ),
            json_pair(
                '{"u":{"Scheme":"https","User":{},"Host":"h","Path":"/p","RawQuery":""}}',
                '{"u":"https://u:s@h/p"}',
                note="Go lost the user",
            ),
        ),
    ),
    DivergenceClass(
        id="url-normalise",
        title="A URL that url::Url has normalised",
        go="url.String() keeps the host's case, port 80, dot segments and an empty path.",
        rust="url::Url lowers the host, drops the default port, resolves dots, adds /.",
        impact="Harmless to a browser; breaks clients that compare or sign the text.",
        fix_go="Nothing to do.",
        fix_rust="Keep the raw string beside the parsed URL.",
        severity="risky",
        policy="fail",
        at=_is_url_normalise,
        types=TEXTS,
        valid=(
            json_pair('{"u":"http://Example.COM"}', '{"u":"http://example.com/"}'),
            json_pair('{"u":"http://h:80/a/../b"}', '{"u":"http://h/b"}'),
            json_pair('{"u":"https://h:443?x=a b"}', '{"u":"https://h/?x=a%20b"}'),
        ),
        invalid=(
            json_pair('{"u":"http://h/a"}', '{"u":"http://h/a/"}'),
            json_pair('{"u":"http://h:8080/"}', '{"u":"http://h/"}'),
            json_pair('{"u":"http://h/A"}', '{"u":"http://h/a"}'),
            json_pair('{"u":"http://h"}', '{"u":"https://h/"}'),
            json_pair('{"u":"http://h/a/../b"}', '{"u":"http://h/a/b"}'),
        ),
    ),
    DivergenceClass(
        id="url-escape-set",
        title="Other characters escaped in a URL",
        go="QueryEscape keeps ~ and writes %2A for *; PathEscape keeps $&+=:@.",
        rust="form_urlencoded writes %7E for ~ and keeps *; NON_ALPHANUMERIC escapes -._ too.",
        impact="Decodes equal; breaks signatures over the escaped text.",
        fix_go="Escape with the set that the signature prescribes.",
        fix_rust="Use percent_encoding with an AsciiSet of your own.",
        severity="risky",
        policy="fail",
        at=_is_escape_set,
        types=TEXTS,
        valid=(
            json_pair('{"q":"a+b~%2A"}', '{"q":"a+b%7E*"}'),
            json_pair('{"q":"a%20b-c.d"}', '{"q":"a%20b%2Dc%2Ed"}'),
            json_pair('{"q":"a+b%2C"}', '{"q":"a%20b%2C"}'),
            json_pair('{"u":"/s?q=a%2Ab&r=%C3%A9~"}', '{"u":"/s?q=a*b&r=%c3%a9%7E"}'),
        ),
        invalid=(
            json_pair('{"q":"a%20b"}', '{"q":"a%20c"}'),
            json_pair('{"q":"q=a+b%2C"}', '{"q":"q=a%2Bb%2C"}', note="a space against a plus"),
            json_pair('{"q":"a%2520b"}', '{"q":"a%20b"}', note="escaped twice"),
            json_pair('{"q":"?q=a%26b%2A"}', '{"q":"?q=a&b%2a"}', note="another parameter"),
            json_pair('{"q":"/%2E%2E/a%20b"}', '{"q":"/../a%20b"}', note="may be resolved"),
        ),
    ),
)
