from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.masking import VALUE_BYTES, WITHHELD, Hidden, Masker, cut, path_names
from shadow.model import Divergence, Where, isomorphic

MASKER = Masker(b"test")
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"


def divergence(
    where: Where, path: str, baseline: str | None, candidate: str | None = None
) -> Divergence:
    return Divergence(
        where=where,
        kind="value_changed",
        path=path,
        path_pattern=path,
        signature="0" * 16,
        baseline=baseline,
        candidate=candidate,
    )


def shape(text: str) -> str:
    """The text with every mark replaced by one sign, to be compared with what is expected."""
    parts = text.split("[masked:")
    return parts[0] + "".join("~" + part[5:] for part in parts[1:])


def test_a_mark_tells_two_secrets_apart_and_says_nothing_else() -> None:
    assert MASKER.mark("one") == MASKER.mark("one")
    assert MASKER.mark("one") != MASKER.mark("two")
    assert len(MASKER.mark("x" * 10_000)) == len("[masked:0000]")
    assert MASKER.mark(MASKER.mark("one")) == MASKER.mark("one")
    assert MASKER.mark("") == ""


def test_marks_of_two_processes_cannot_be_matched() -> None:
    marks = {Masker().mark("secret") for _ in range(20)}
    assert len(marks) > 1


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Authorization", "Bearer abc.def", "Bearer ~"),
        ("authorization", "Digest username=a, response=b", "Digest ~"),
        ("authorization", "abcdef", "~"),
        ("proxy-authorization", "Basic YTpi", "Basic ~"),
        ("Cookie", "a=1; b=2; c", "a=~; b=~; ~"),
        ("x-api-key", "k", "~"),
        ("X-Auth-Token", "k", "~"),
        ("x-csrf-token", "k", "~"),
        ("x-hub-signature-256", "sha256=00", "~"),
        (
            "set-cookie",
            "sid=abc; Path=/; Max-Age=3; HttpOnly",
            "sid=~; Path=/; Max-Age=3; HttpOnly",
        ),
        ("set-cookie/sid", "sid=; Path=/", "sid=; Path=/"),
        ("set-cookie/sid", "abc", "~"),
        ("set-cookie/path", "path=abc; Path=/", "path=~; Path=/"),
        ("set-cookie/a", "a=1; Path=/, b=2", "a=~; Path=~"),
        ("x-forwarded-authorization", "abc", "~"),
        ("x-original-cookie", "a=1", "~"),
        ("ocp-apim-subscription-key", "abc", "~"),
        ("x-user", '{"a": 1, "password": "abc"}', '{"a": 1, "password": "~"}'),
        ("x-error", "bad password=\"abc\" or token='d'", "bad password=\"~\" or token='~'"),
        ("location", "/callback?code=abc&state=1", "/callback?code=~&state=1"),
        ("location", "https://u:p@h/#access_token=abc", "https://~@h/#access_token=~"),
        ("www-authenticate", 'Bearer realm="api"', 'Bearer realm="api"'),
        ("access-control-allow-credentials", "true", "true"),
        ("etag", '"abc"', '"abc"'),
        ("content-type", "application/json; charset=utf-8", "application/json; charset=utf-8"),
    ],
)
def test_headers(name: str, value: str, expected: str) -> None:
    assert shape(MASKER.mask_header(name, value)) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/v1/items/7?q=a&page=2", "/v1/items/7?q=a&page=2"),
        ("/a?token=x&y=1;Sig=2&API_KEY=3", "/a?token=~&y=1;Sig=~&API_KEY=~"),
        ("/a?%74oken=1&token[]=2&user[password]=3", "/a?%74oken=~&token[]=~&user[password]=~"),
        ("/a?key=1&auth=2&signature=3&code=4", "/a?key=~&auth=~&signature=~&code=~"),
        ("/a?keyword=1&country_code=2&token=", "/a?keyword=1&country_code=2&token="),
        (f"/reset/{JWT}/x", "/reset/~/x"),
        ("http://user:word@host/x", "http://~@host/x"),
        ("http://user:w@rd@host/x", "http://~@host/x"),
        ("/a?user[password][0]=1&password[1]=2", "/a?user[password][0]=~&password[1]=~"),
        ("/a;jsessionid=1", "/a;jsessionid=~"),
        ("/a?X-Goog-Signature=1&PHPSESSID=2", "/a?X-Goog-Signature=~&PHPSESSID=~"),
        ("/a?next=%2Fb%3Ftoken%3D1", "/a?next=/b?token=~"),
        ("/a?next=%252Fb%253Ftoken%253D1", "/a?next=/b?token=~"),
        ("/a?q=%7B%22token%22%3A%22x%22%7D", '/a?q={"token":"~"}'),
        ("/a?q=Bearer+abc123456", "/a?q=Bearer ~"),
        ("/a?q=4111+1111+1111+1111", "/a?q=~"),
        ("/a?q=100%25&r=a%20b", "/a?q=100%25&r=a%20b"),
    ],
)
def test_targets(target: str, expected: str) -> None:
    assert shape(MASKER.mask_target(target)) == expected


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (("token",), '"abc"', '"~"'),
        (("user", "Access-Token"), '"abc"', '"~"'),
        (("password",), "1234", "~"),
        (("password",), "null", "null"),
        (("password",), '""', '""'),
        (("tokens", 0), '"abc"', '"~"'),
        (("secret", "inner"), "[1]", '["~"]'),
        (("password",), 'half a text, "quoted: {', "~"),
        (("items", 0), '{"a":1.0,"a":2}', '{"a":1.0,"a":2}'),
        ((), '{"token" : "abc", "n":1.0, "n":2}', '{"token" : "~", "n":1.0, "n":2}'),
        ((), '{"secret":{"a":["x",1,null]},"b":"ok"}', '{"secret":{"a":["~","~",null]},"b":"ok"}'),
        ((), '{"password":["a"],"b":["c"]}', '{"password":["~"],"b":["c"]}'),
        ((), '{"tok\\u0065n":"abc"}', '{"tok\\u0065n":"~"}'),
        ((), '{"client_secret":"cut of', '{"client_secret":"~"'),
        ((), '{"a":[{"refresh_token":12', '{"a":[{"refresh_token":"~"'),
        ((), '"{\\"id_token\\":\\"abc\\"}"', '"{\\"id_token\\":\\"~\\"}"'),
        ((), '"{\\u0022token\\u0022:\\u0022abc', '"{\\"token\\":\\"~\\""'),
        ((), '"{\\"token\\": \\"abc\\\\\\"', '"{\\"token\\": \\"~\\""'),
        ((), '"{\\"token\\": \\"abc\\u00', '"{\\"token\\": \\"~\\""'),
        ((), '"{\\"token\\": \\"abc\\q"', '"{\\"token\\": \\"~\\""'),
        ((), '{"u":"/x?a=1\\u0026token=abc\\u0026b=2"}', '{"u":"/x?a=1\\u0026token=~\\u0026b=2"}'),
        ((), f'["{JWT}", "Bearer xxx"]', '["~", "Bearer ~"]'),
        ((), '"Basic YWxpY2U6cGFzcw== Basic authentication"', '"Basic ~ Basic authentication"'),
        ((), "grant=x&password=abc&b=2", "grant=x&password=~&b=2"),
        ((), '{"u":"/x?token=","b":"c"}', '{"u":"/x?token=","b":"c"}'),
        ((), '"http:\\/\\/a:b@host\\/"', '"http:\\/\\/~@host\\/"'),
        (
            (),
            "<a><ns:password kind='x'>abc</ns:password>",
            "<a><ns:password kind='x'>~</ns:password>",
        ),
    ],
)
def test_json_values(path: tuple[str | int, ...], text: str, expected: str) -> None:
    assert shape(MASKER.mask_json_value(path, text)) == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def bury(value: Any, secret: str, wraps: list[str]) -> Any:
    for wrap in wraps:
        if wrap == "list":
            value = [1, value, "x"]
        elif wrap == "string":
            value = json.dumps(value)
        else:
            value = {"a": 1, wrap: value, "z": [secret[:0]]}
    return value


@settings(deadline=None)
@given(
    st.sampled_from(["password", "access_token", "apiKey", "SESSION-TOKEN", "client_secret"]),
    st.text(st.sampled_from('abcXYZ019"\\ é<&'), min_size=1, max_size=20),
    st.lists(st.sampled_from(["list", "data", "password_hint", "string"]), max_size=5),
    st.integers(0, 30),
    st.booleans(),
)
def test_no_secret_survives_wherever_it_is_buried(
    key: str, tail: str, wraps: list[str], shortened: int, ascii_only: bool
) -> None:
    secret = "S3CR3T" + tail
    text = json.dumps(bury({key: secret}, secret, wraps), ensure_ascii=ascii_only)
    cut_short = text[: max(len(text) - shortened, 1)]
    assert "S3CR3T" not in MASKER.mask_json_value((), text)
    assert "S3CR3T" not in MASKER.mask_json_value((), cut_short)
    assert "S3CR3T" not in MASKER.mask_json_value(("x", key), json.dumps(secret))


@settings(deadline=None)
@given(json_values)
def test_json_stays_json_and_masking_twice_changes_nothing(value: Any) -> None:
    text = json.dumps({"token": value, "rest": value})
    masked = MASKER.mask_json_value((), text)
    assert json.loads(masked).keys() == {"token", "rest"}
    assert MASKER.mask_json_value((), masked) == masked


@settings(deadline=None)
@given(st.text())
def test_any_text_can_be_masked(text: str) -> None:
    MASKER.mask_json_value((), text)
    MASKER.mask_json_value(("password",), text)
    MASKER.mask_target(text)
    for name in ("cookie", "set-cookie/a", "authorization", "x"):
        MASKER.mask_header(name, text)


FRAGMENTS = [
    *("to", "ken", "token", "pass", "word", "p-w-d", "key", "sig", "code", "auth", "cookie", "jwt"),
    *("Basic dTpw", "BEARER abcdef", JWT, "eyJ", "://u:p@h/", "@", "id", "7", "name"),
    *("%74oken", "%", "=", "=", "&", "?", "#", "_", "-", ".", "/", " ", ";", "\u0026", "\\", "\\n"),
    *('"', ":", ",", "{", "}", "[", "]", "<", ">", "</", "é", "\u212aey", "set-", "x", "true"),
]
TEXTS = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3), max_size=12).map("".join)


@settings(max_examples=500, deadline=None)
@given(TEXTS, TEXTS)
def test_the_short_cut_hides_no_secret(text: str, other: str) -> None:
    """With and without the look whether there is anything to mask, the result is the same."""

    def masked() -> list[object]:
        return [
            MASKER.mask_text(text),
            MASKER.mask_json_value((other,), text),
            MASKER.mask_header(other, text),
            MASKER.mask_divergence(divergence("body", f"$['{other}']", text, other)),
            MASKER.mask_divergence(divergence("header", *map(isomorphic, (other, text, other)))),
        ]

    short = masked()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Masker, "_is_harmless", lambda *_: False)
        assert short == masked()


@pytest.mark.parametrize(
    "text",
    [
        "/v1/items/7?page=3",
        "/search?q=brass+lamp&sort=-price",
        "u-17",
        "GET /v1/items/{id}",
        "[1.0]",
    ],
)
def test_ordinary_texts_take_the_short_cut(text: str) -> None:
    assert Masker(b"k")._is_harmless(text)


def test_an_endpoint_is_masked_and_cut() -> None:
    assert shape(MASKER.mask_endpoint("GET /login;token=abc")) == "GET /login;token=~"
    assert len(MASKER.mask_endpoint("GET /" + "a" * 1000)) == 500 + len("…")


@pytest.mark.parametrize(
    "text",
    [
        "?" * 8000,
        "eyJaaaa-" * 1000,
        '"' * 8000,
        '"\\' * 4000,
        '{"a"' * 2000,
        "<a" * 4000,
        "basic " * 1300,
        "a=" * 4000,
        "://" * 2600 + "@",
        '"token":' * 1000,
        "[" * 8000,
        "token=\\" * 1100,
        "bearer" + " " * 8000,
        "a" * 8000 + "%zz",
        "%25" * 2700,
        "%" + "25" * 4000,
        "a%20" * 2000,
    ],
)
def test_no_text_makes_masking_slow(text: str) -> None:
    started = time.process_time()
    MASKER.mask_json_value((), text)
    assert time.process_time() - started < 0.5


@settings(deadline=None)
@given(st.text(), st.integers(1, 40))
def test_cut_text_fits_and_can_be_encoded(text: str, limit: int) -> None:
    short = cut(text + "\ud800", limit)
    assert len(short.encode()) <= limit + len("…".encode())
    if len(text.encode("utf-8", "backslashreplace")) <= limit and not short.endswith("…"):
        assert short.startswith(text.encode("utf-8", "backslashreplace").decode())


def test_cut_counts_bytes_and_says_that_it_cut() -> None:
    assert cut("é" * 500) == "é" * 500
    assert cut("é" * 501) == "é" * 500 + "…"
    assert cut("a" * 1000) == "a" * 1000
    assert cut("a" * 1001) == "a" * 1000 + "…"


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("$", ()),
        ("$['items'][3]['pri\\'ce']", ("items", "pri'ce")),
        ("$[0]", ()),
        ("", ()),
        ("field", ("field",)),
    ],
)
def test_names_on_a_path(path: str, names: tuple[str, ...]) -> None:
    assert path_names(path) == names


def test_a_divergence_is_masked_by_its_place() -> None:
    masked = MASKER.mask_divergence(divergence("body", "$['user']['token']", '"a"', '"b"'))
    assert masked.baseline != masked.candidate
    assert (shape(masked.baseline or ""), shape(masked.candidate or "")) == ('"~"', '"~"')
    masked = MASKER.mask_divergence(divergence("header", "set-cookie/sid", "sid=a; Secure"))
    assert shape(masked.baseline or "") == "sid=~; Secure"
    assert masked.candidate is None


def test_a_plain_divergence_is_left_alone() -> None:
    plain = divergence("body", "$['items'][3]['price']", "1.0", "1")
    assert MASKER.mask_divergence(plain) is plain


def test_header_text_is_made_readable_and_values_are_cut() -> None:
    wire = isomorphic("grüße")
    masked = MASKER.mask_divergence(divergence("header", "x-note", wire, "é" * 2000))
    assert masked.baseline == "grüße"
    masked = MASKER.mask_divergence(divergence("header", "x-" + wire, "1"))
    assert masked.path == masked.path_pattern == "x-grüße"
    masked = MASKER.mask_divergence(divergence("body", "$['a']", '"' + "é" * 2000))
    assert masked.baseline is not None
    assert len(masked.baseline.encode()) <= VALUE_BYTES + 3


def test_a_token_used_as_a_key_is_masked_in_the_path() -> None:
    masked = MASKER.mask_divergence(divergence("body", f"$['{JWT}']", "1"))
    assert JWT not in masked.path
    assert JWT not in masked.path_pattern


def test_withheld_values_are_gone_but_absence_is_not() -> None:
    masked = Masker(withhold=True).mask_divergence(divergence("body", "$['a']", "1", None))
    assert (masked.baseline, masked.candidate) == (WITHHELD, None)


HIDDEN = Hidden(
    headers=("x-customer",),
    parameters=("who",),
    members=("iban number", "gr\u00f6\u00dfe"),
    detect=("email",),
    patterns=("order-[0-9]+",),
)


@pytest.mark.parametrize(
    "text",
    [
        "/?who=s3cr3t&a=b",
        "/?user[who]=s3cr3t",
        "who=s3cr3t",
        "to s3cr3t@example.com now",
        "id order-53 here",
        '{"a":1,"IBAN number":"s3cr3t"}',
        '{"gr\u00f6\u00dfe":{"x":["s3cr3t"]}}',
        "<a:who>s3cr3t</a:who>",
    ],
)
def test_what_is_configured_is_hidden_too(text: str) -> None:
    hidden = text.replace("who>", "password>")
    masked = Masker(b"k", hidden=HIDDEN).mask_json_value((), hidden)
    assert "s3cr3t" not in masked
    assert "order-53" not in masked
    assert "[masked:" in masked


def test_a_configured_header_and_member_are_hidden_in_divergences() -> None:
    masker = Masker(b"k", hidden=HIDDEN)
    places: list[tuple[Where, str]] = [
        ("header", "x-customer"),
        ("body", "$['iban number']"),
        ("body", "$['who'][0]"),
        ("body", "$['user[who]'][0]"),
        ("body", "$['a']['gr\u00f6\u00dfe'][0]"),
    ]
    for where, path in places:
        given = divergence(where, path, '"s3cr3t"', "s3cr3t 2")
        masked = masker.mask_divergence(given)
        assert "s3cr3t" not in f"{masked.baseline} {masked.candidate}"
        assert "s3cr3t" in f"{Masker(b'k').mask_divergence(given)}"


@pytest.mark.parametrize(
    "value",
    [
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.x",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "4111 1111 1111 1111",
    ],
)
def test_what_looks_like_a_secret_is_hidden_always(value: str) -> None:
    masked = Masker(b"k").mask_text(f"so {value}, then")
    assert value not in masked
    assert masked.startswith("so [masked:")
