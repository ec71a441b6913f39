"""What is written of an exchange holds no secret, and is otherwise what was recorded."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import brotli
import pytest
import zstandard
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shadow.captures.formats.native import decode_line, encode_line
from shadow.captures.redact import Redaction, Redactor
from shadow.model import Exchange, Headers, NoAnswer, Request, Response

KEY = b"k" * 32
RULES = Redaction(
    headers=("X-User",),
    query=("account",),
    form=("iban",),
    json=("ssn", "$.user.phone"),
    keep_cookies=("theme",),
)
REDACTOR = Redactor(KEY, RULES)
MARK = re.compile(r"shadow-redacted-[0-9a-f]{20}")
JSON = (("Content-Type", "application/json"),)
FORM = (("Content-Type", "application/x-www-form-urlencoded"),)


def asked(
    target: str = "/", headers: Headers = (), body: bytes = b"", session: str | None = None
) -> Exchange:
    request = Request(method="POST", target=target, headers=headers, body=body)
    return Exchange(id="1", request=request, session=session)


def answered(headers: Headers = (), body: bytes = b"") -> Exchange:
    response = Response(status=200, headers=headers, body=body)
    return Exchange(id="1", request=Request(method="GET", target="/"), response=response)


def mark_of(secret: str) -> str:
    """The mark of a secret, as it stands in the plainest place there is."""
    redacted = REDACTOR.redact(asked(headers=(("Authorization", secret),)))
    value = redacted.request.headers[0][1]
    assert MARK.fullmatch(value)
    return value


def in_json(secret: str) -> bytes:
    return json.dumps({"user": {"phone": secret}, "a": [1, {"password": secret}]}).encode()


def in_json_twice(secret: str) -> bytes:
    return json.dumps({"sent": json.dumps({"body": json.dumps({"ssn": secret})})}).encode()


def escaped(secret: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in secret)


# Each place in which a secret may stand. All of them mean the same value.
PLACES: dict[str, Callable[[str], Exchange]] = {
    "bearer": lambda s: asked(headers=(("authorization", f"Bearer {s}"),)),
    "basic": lambda s: asked(headers=(("Authorization", f"basic  {s}"),)),
    "no scheme": lambda s: asked(headers=(("AUTHORIZATION", s),)),
    "proxy": lambda s: asked(headers=(("Proxy-Authorization", f"Basic {s}"),)),
    "api key": lambda s: asked(headers=(("X-Api-Key", s),)),
    "api key of an answer": lambda s: answered(headers=(("X-Auth-Token", f"Bearer {s}"),)),
    "configured header": lambda s: asked(headers=(("x-user", s),)),
    "cookie": lambda s: asked(headers=(("Cookie", f"theme=dark; sid={s}; a=1"),)),
    "quoted cookie": lambda s: asked(headers=(("Cookie", f'sid="{s}"'),)),
    "encoded cookie": lambda s: asked(headers=(("Cookie", f"sid={quote(s, '')}"),)),
    "set-cookie": lambda s: answered(headers=(("Set-Cookie", f"sid={s}; Path=/; HttpOnly"),)),
    "folded set-cookie": lambda s: answered(headers=(("Set-Cookie", f"a=1; Path=/, sid={s}"),)),
    "query": lambda s: asked(target=f"/a?x=1&api_key={quote_plus(s)}&y=2"),
    "configured query": lambda s: asked(target=f"/a?Account={quote(s, '')}#top"),
    "encoded name": lambda s: asked(target=f"/a?%74oken={quote(s, '')}"),
    "inner name": lambda s: asked(target=f"/a?user[token]={quote(s, '')}"),
    "path parameter": lambda s: asked(target=f"/a;token={quote(s, '')}?x=1"),
    "absolute form": lambda s: asked(target=f"http://h/a?token={quote(s, '')}"),
    "user in a target": lambda s: asked(target=f"http://{quote(s, '')}@h/a"),
    "query in a query": lambda s: asked(
        target=f"/a?next={quote('/b?x=1&code=' + quote(s, '') + '&y=2', '')}&z=3"
    ),
    "json in a query": lambda s: asked(target="/a?q=" + quote_plus(json.dumps({"ssn": s}))),
    "referer": lambda s: asked(headers=(("Referer", f"https://h/?access_token={quote(s, '')}"),)),
    "location": lambda s: answered(headers=(("Location", f"/cb?code={quote(s, '')}&a=1"),)),
    "fragment": lambda s: answered(headers=(("Location", f"/#id_token={quote(s, '')}"),)),
    "link": lambda s: answered(headers=(("Link", f'</a?token={quote(s, "")}>; rel="next"'),)),
    "user in a location": lambda s: answered(headers=(("Location", f"ftp://{quote(s, '')}@h"),)),
    "json in a header": lambda s: asked(headers=(("X-Context", json.dumps({"token": s})),)),
    "form": lambda s: asked(headers=FORM, body=f"a=1&password={quote_plus(s)}".encode()),
    "first of a form": lambda s: asked(headers=FORM, body=f"iban={quote_plus(s)}&b=2".encode()),
    "json in a form": lambda s: asked(
        headers=FORM, body=b"payload=" + quote_plus(json.dumps({"ssn": s})).encode()
    ),
    "json named a form": lambda s: asked(headers=FORM, body=in_json(s)),
    "multipart": lambda s: asked(
        headers=(("Content-Type", "multipart/form-data; boundary=xyz"),),
        body=(
            '--xyz\r\nContent-Disposition: form-data; name="file"; filename="password"\r\n'
            "Content-Type: image/png\r\n\r\n\0\xff\r\n"
            f'--xyz\r\nContent-Disposition: form-data; name="password"\r\n\r\n{s}\r\n--xyz--\r\n'
        ).encode("latin-1"),
    ),
    "json": lambda s: answered(headers=JSON, body=in_json(s)),
    "json that nobody named": lambda s: answered(body=in_json(s)),
    "json in json": lambda s: answered(headers=JSON, body=in_json_twice(s)),
    "escapes in json": lambda s: answered(
        headers=JSON, body=f'{{"p\\u0061ssword" : "{escaped(s)}"}}'.encode()
    ),
    "scheme in json": lambda s: answered(
        body=json.dumps({"Authorization": f"Bearer {s}"}).encode()
    ),
    "list in json": lambda s: answered(body=json.dumps({"tokens": [{"a": [s, 7]}]}).encode()),
    "url in json": lambda s: answered(
        headers=JSON, body=f'{{"a":"x","b":"/?c=1\\u0026token={quote(s, "")}\\u0026d"}}'.encode()
    ),
    "lines of json": lambda s: answered(body=b'{"a":1}\n' + in_json(s) + b"\n"),
    "cut json": lambda s: answered(body=json.dumps({"a": 1, "secret": s}).encode()[:-2]),
    "events": lambda s: answered(body=b"event: x\ndata: " + in_json(s) + b"\n\n"),
    "xml": lambda s: answered(body=f"<a><ns:Password t='1'>{quote(s)}</ns:Password></a>".encode()),
    "cdata": lambda s: answered(body=f"<token><![CDATA[{s}]]></token>".encode()),
    "attribute": lambda s: answered(body=f'<a><user password="{quote(s)}"/></a>'.encode()),
    "error": lambda s: Exchange(
        id="1",
        request=Request(method="GET", target="/"),
        error=NoAnswer(kind="connect", detail=f"http://h/?token={quote(s, '')}"),
    ),
    "session": lambda s: asked(session=s),
    "gzip": lambda s: answered(
        headers=(*JSON, ("Content-Encoding", "gzip")), body=gzip.compress(in_json(s))
    ),
    "brotli": lambda s: answered(
        headers=(*JSON, ("content-encoding", "br")), body=brotli.compress(in_json(s))
    ),
    "zstd": lambda s: answered(
        headers=(*JSON, ("Content-Encoding", "ZSTD")), body=zstandard.compress(in_json(s))
    ),
}

secrets = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=4, max_size=40)
cookie_secrets = st.from_regex(r"[A-Za-z0-9._~+/-][A-Za-z0-9._~+/=-]{6,40}", fullmatch=True)


def found_in(line: bytes, text: str) -> bool:
    """Whether a reader of the line finds a text in it: unescaped, unquoted, decoded."""
    seen: set[str] = set()
    new = {line.decode()}
    while new:
        if any(text in each for each in new):
            return True
        seen |= new
        new = {read for each in new for read in readings(each)} - seen
    return False


def readings(text: str) -> list[str]:
    found = [unquote(text), unquote_plus(text)]
    with contextlib.suppress(ValueError):
        found += strings(json.loads(text))
    with contextlib.suppress(ValueError):
        found.append(base64.b64decode(text, validate=True).decode("latin-1"))
    with contextlib.suppress(ValueError):
        found += strings(json.loads(f'"{text}"'))
    return found


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [each for pair in value.items() for part in pair for each in strings(part)]
    if isinstance(value, list):
        return [each for part in value for each in strings(part)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("place", PLACES)
@settings(max_examples=10)
@given(secret=cookie_secrets)
def test_a_secret_is_nowhere_in_the_line_and_its_mark_is_the_same_everywhere(
    place: str, secret: str
) -> None:
    exchange = PLACES[place](secret)
    assert found_in(encode_line(exchange), secret) or place in ("gzip", "brotli", "zstd")
    line = encode_line(REDACTOR.redact(exchange))
    assert not found_in(line, secret)
    assert found_in(line, mark_of(secret))
    assert decode_line(line) == REDACTOR.redact(exchange)


@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_secret_stays_as_it_was(place: str) -> None:
    secret = "7f3a9c-not-to-be-seen"
    exchange = PLACES[place](secret)
    redacted = REDACTOR.redact(exchange)
    mark = mark_of(secret)

    def restored(text: str) -> str:
        known = {mark: secret, mark_of("1"): "1", mark_of("dark"): "dark"}
        for each, meaning in known.items():
            text = text.replace(each, meaning)
        return text

    assert restored(redacted.request.target) == exchange.request.target
    for was, is_now in (
        (exchange.request, redacted.request),
        (exchange.response, redacted.response),
    ):
        if was is None or is_now is None:
            assert was is is_now
            continue
        assert [(name, restored(value)) for name, value in is_now.headers] == list(was.headers)
        assert is_now.truncated is False
        body = was.body
        if is_now.decoded:
            body = in_json(secret)
        elif place == "escapes in json":
            body = body.replace(escaped(secret).encode(), secret.encode())
        now = restored(is_now.body.decode("latin-1")).encode("latin-1")
        assert now == body.replace(b" 7]", b" 0]")


@pytest.mark.parametrize("place", PLACES)
@settings(max_examples=10)
@given(secret=st.text(min_size=1, max_size=40))
def test_redacting_twice_changes_nothing(place: str, secret: str) -> None:
    exchange = PLACES[place](secret.encode("utf-8", "replace").decode("latin-1"))
    once = REDACTOR.redact(exchange)
    assert REDACTOR.redact(once) == once
    assert Redactor(b"another key, as long", RULES).redact(once) == once


@given(secrets, secrets)
def test_different_secrets_have_different_marks(one: str, other: str) -> None:
    def meant(text: str) -> str:
        for _ in range(3):
            text = unquote(text)
        return text.strip().strip('"').strip()

    assume(meant(one) != meant(other))
    for place in ("api key", "form", "json"):
        marks = [
            MARK.findall(encode_line(REDACTOR.redact(PLACES[place](secret))).decode())
            for secret in (one, other)
        ]
        assert marks[0]
        assert not set(marks[0]) & set(marks[1])


def test_a_login_is_followed_by_what_it_gave() -> None:
    login = Exchange(
        id="1",
        request=Request(
            method="POST", target="/login", headers=JSON, body=b'{"password":"hunter2"}'
        ),
        response=Response(
            status=200,
            headers=(*JSON, ("Set-Cookie", "sid=s%3A12.ab%2F; Path=/; Secure")),
            body=b'{ "access_token" : "eyJ\\/a.b-c_d" , "tokens": 3, "ssn": null }',
        ),
    )
    after = asked(
        target="/me?token=eyJ%2Fa.b-c_d",
        headers=(("Authorization", "Bearer eyJ/a.b-c_d"), ("cookie", "theme=dark; sid=s:12.ab/")),
        session="s%3A12.ab%2F",
    )
    first, second = REDACTOR.redact(login), REDACTOR.redact(after)
    assert first.response is not None
    token, sid = mark_of("eyJ/a.b-c_d"), mark_of("s:12.ab/")
    assert first.request.body == b'{"password":"%b"}' % mark_of("hunter2").encode()
    assert first.response.headers[1][1] == f"sid={sid}; Path=/; Secure"
    expected = f'{{ "access_token" : "{token}" , "tokens": 0, "ssn": null }}'
    assert first.response.body.decode() == expected
    assert second.request.target == f"/me?token={token}"
    assert second.request.headers == (
        ("Authorization", f"Bearer {token}"),
        ("cookie", f"theme=dark; sid={sid}"),
    )
    assert second.session == sid


def test_another_key_makes_other_marks() -> None:
    exchange = asked(headers=(("Authorization", "Bearer abc"),))
    marks = {Redactor(key).redact(exchange).request.headers for key in (b"a" * 16, b"b" * 16)}
    assert len(marks) == 2


ORDINARY = Exchange(
    id="7",
    ts=datetime(2026, 11, 26, tzinfo=UTC),
    latency_ms=3.5,
    request=Request(
        method="GET",
        target="/v1/items?page=2&&sort=&q=a%20b+c#x",
        headers=(
            ("HOST", "h"),
            ("Accept", "text/html;q=0.9, */*;q=0.8"),
            ("If-None-Match", 'W/"a=b"'),
            ("accept", "\xe9\x00" + "x;y=1"),
            ("X-Author", "ann"),
        ),
    ),
    response=Response(
        status=401,
        headers=(
            ("WWW-Authenticate", 'Bearer realm="a", error="invalid_token"'),
            ("Access-Control-Allow-Headers", "Authorization, Cookie"),
            ("Location", "/login?next=%2Fv1%3Fpage%3D2"),
        ),
        body=b'{"code": 7, "author": "a", "passenger": "b", "a": {"keys": ["x"]}, "a": 1.0}\r\n',
    ),
)


def test_an_exchange_without_secrets_stays_as_it_is() -> None:
    assert REDACTOR.redact(ORDINARY) == ORDINARY


def test_what_is_always_redacted_needs_no_rules() -> None:
    exchange = asked(headers=(("Cookie", "theme=dark"),), target="/?account=7")
    redacted = Redactor(KEY).redact(exchange)
    assert redacted.request.target == "/?account=7"
    assert redacted.request.headers == (("Cookie", f"theme={mark_of('dark')}"),)


hostile = st.one_of(
    st.text(max_size=60),
    st.text('"\\{}[]:,&=?;#%<>/@ \n\t01aepstu\x00\xffé€\ud800', max_size=60),
    st.lists(
        st.sampled_from(
            [
                *(
                    '"token":',
                    '\\"token\\":',
                    '"',
                    "\\",
                    "{",
                    "[",
                    "]",
                    "?token=",
                    "%3Ftoken%3D",
                    "%22",
                ),
                *(
                    "<token>",
                    "<![CDATA[",
                    "://a@",
                    "\\u0026",
                    "Bearer ",
                    "=",
                    "; ",
                    "--b",
                    "\r\n\r\n",
                ),
                *('name="token"', '"user":{"phone":', "\ud800", "\U0001f600", "%ff", "\\ud800"),
            ]
        ),
        max_size=20,
    ).map("".join),
)


@given(hostile, hostile, st.binary(max_size=60), st.sampled_from(["", "gzip", "br", "zstd", "x"]))
def test_nothing_is_raised_whatever_comes(one: str, other: str, raw: bytes, coding: str) -> None:
    for media in ("application/json", "application/x-www-form-urlencoded", other):
        for body in (raw, one.encode("utf-8", "surrogatepass")):
            headers = (
                ("Content-Type", media),
                ("Content-Encoding", coding),
                *((name, one) for name in ("Cookie", "Set-Cookie", "Authorization", "Link")),
                (one, other),
            )
            exchange = Exchange(
                id="1",
                request=Request(method="GET", target=one, headers=headers, body=body),
                response=Response(status=200, headers=headers, body=body, decoded=True),
                session=one,
                error=NoAnswer(kind="reset", detail=other),
            )
            once = REDACTOR.redact(exchange)
            assert [name for name, _ in once.request.headers] == [name for name, _ in headers]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["a", "user", "phone", "ssn", "password", "tokens", "next\n", 'q"', "é"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def expected(value: Any, *, secret: bool = False, place: tuple[str, ...] | None = ()) -> Any:
    """The value redacted member by member; `place` are the names down to here, None in a list."""
    if isinstance(value, dict):
        found = {}
        for name, inner in value.items():
            here = None if place is None else (*place, name)
            hidden = name in ("ssn", "password", "tokens") or here == ("user", "phone")
            found[name] = expected(inner, secret=secret or hidden, place=here)
        return found
    if isinstance(value, list):
        return [expected(inner, secret=secret, place=None) for inner in value]
    if not secret or isinstance(value, bool) or value is None:
        return value
    if not isinstance(value, str):
        return 0
    meaning = value.encode("utf-8", "surrogatepass").decode("latin-1")
    return mark_of(meaning) if meaning.strip(' \t\r\n"') else value


@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_json_stays_the_same_json_but_for_its_secrets(
    value: Any, ascii_only: bool, indent: int | None
) -> None:
    assume("%" not in json.dumps(value))
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    response = REDACTOR.redact(answered(headers=JSON, body=text.encode())).response
    assert response is not None
    wanted = expected(value)
    assert json.loads(response.body) == wanted
    if repr(wanted) == repr(value):
        assert response.body.decode() == text
