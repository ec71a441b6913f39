from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.errors import ConfigError
from shadow.sending.target import Proxy, Target, parse_proxy, parse_target


def parse(url: str, headers: tuple[tuple[str, str], ...] = ()) -> Target:
    return parse_target(url, side="candidate", name="rust", option="--rust", headers=headers)


@pytest.mark.parametrize(
    ("url", "read", "authority"),
    [
        ("http://127.0.0.1:8081", ("http", "127.0.0.1", 8081, ""), "127.0.0.1:8081"),
        ("http://example.test", ("http", "example.test", 80, ""), "example.test"),
        ("https://example.test/", ("https", "example.test", 443, ""), "example.test"),
        ("https://example.test:80", ("https", "example.test", 80, ""), "example.test:80"),
        ("HTTP://Example.Test:80/Base/", ("http", "example.test", 80, "/Base"), "example.test"),
        ("http://[::1]:9/a/b", ("http", "::1", 9, "/a/b"), "[::1]:9"),
        ("http://bücher.test", ("http", "xn--bcher-kva.test", 80, ""), "xn--bcher-kva.test"),
        ("http://h/é", ("http", "h", 80, "/\xc3\xa9"), "h"),
    ],
)
def test_reads_a_url(url: str, read: tuple[str, str, int, str], authority: str) -> None:
    target = parse(url)
    assert (target.scheme, target.host, target.port, target.prefix) == read
    assert target.authority == authority
    assert target.url == f"{read[0]}://{authority}{read[3]}"
    assert (target.side, target.name) == ("candidate", "rust")
    assert (target.keep_host, target.verify_tls, target.headers) == (False, True, ())


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        ("", "empty", "http://127.0.0.1:8080"),
        ("127.0.0.1:8080", "no scheme in 127.0.0.1:8080", "did you mean http://127.0.0.1:8080?"),
        ("localhost:8080", "no scheme", "did you mean http://localhost:8080?"),
        ("ftp://h", "scheme ftp is not supported", "http:// or https://"),
        ("://h", "not supported", "http://"),
        ("http://", "no host", "write it like"),
        ("http:///path", "no host", "write it like"),
        ("http://h:0", "bad port in h:0", "1 to 65535"),
        ("http://h:65536", "bad port", "1 to 65535"),
        ("http://h:x", "bad port", "1 to 65535"),
        ("http://[::1", "not a URL", "write it like"),
        ("http://a..b", "not a host name: a..b", "labels"),
        (f"http://{'a' * 64}", "not a host name", "labels"),
        ("http://h/a b", "not a URL", "no spaces"),
        ("http://h\r\nX: y", "not a URL", "no spaces"),
        ("http://h\\@other", "user name", "header"),
        ("http://h\\other", "not a URL", "no spaces"),
        ("http://h?x=1", "no query", "before ?"),
        ("http://h/#top", "no query and no fragment", "before ?"),
    ],
)
def test_names_the_option_and_the_fault(url: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(url)
    assert caught.value.message.startswith("--rust: ")
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "http://user:s3cret@h:8080",
        "http://s3cret@h:99999/",
        "user:s3cret@h:80",
        "ftp://u:s3cret@h",
        "http://h/?token=s3cret",
        "http://h:0/#s3cret",
        "h?s3cret",
    ],
)
def test_never_repeats_a_secret(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(url)
    assert "s3cret" not in caught.value.message + caught.value.hint


def test_own_headers_are_kept_as_bytes_of_the_wire() -> None:
    target = parse("http://h", (("X-Env", "staging"), ("X-Name", "é")))
    assert target.headers == (("X-Env", "staging"), ("X-Name", "\xc3\xa9"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Length", "1"),
        ("transfer-encoding", "chunked"),
        ("Connection", "close"),
        ("Expect", "100-continue"),
        ("X A", "1"),
        ("X:A", "1"),
        ("", "1"),
        ("Xé", "1"),
        ("X", "a\r\nB: c"),
        ("X", "a\0"),
    ],
)
def test_refuses_headers_that_break_the_request(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match="--rust: header"):
        parse("http://h", ((name, value),))


@given(
    scheme=st.sampled_from(["http", "https"]),
    host=st.sampled_from(["h", "a.test", "10.0.0.1", "[::1]"]),
    port=st.none() | st.integers(1, 65535),
    prefix=st.sampled_from(["", "/a", "/a/b%20"]),
)
def test_the_url_of_a_target_is_the_target(
    scheme: str, host: str, port: int | None, prefix: str
) -> None:
    target = parse(f"{scheme}://{host}{'' if port is None else f':{port}'}{prefix}")
    assert parse(target.url) == target


@given(st.text())
def test_any_text_is_a_target_or_an_error_of_the_operator(url: str) -> None:
    try:
        target = parse(url)
    except ConfigError:
        return
    assert target.host.isascii()
    assert 0 < target.port < 65536


# Proxies and HTTP/2.

PROXY = "targets.baseline.proxy"


@pytest.mark.parametrize(
    ("url", "read", "credentials"),
    [
        ("http://127.0.0.1:3128", "http://127.0.0.1:3128", ("", "")),
        ("HTTP://Proxy.Test:3128/", "http://proxy.test:3128", ("", "")),
        ("https://[::1]:443", "https://[::1]:443", ("", "")),
        ("http://me:p%40s%2Fs%3A@h:1", "http://h:1", ("me", "p@s/s:")),
        ("http://me@h:1", "http://h:1", ("me", "")),
        ("http://bücher.test:80", "http://xn--bcher-kva.test:80", ("", "")),
    ],
)
def test_reads_the_url_of_a_proxy(url: str, read: str, credentials: tuple[str, str]) -> None:
    proxy = parse_proxy(url, PROXY)
    assert proxy.url == read
    assert (proxy.username, proxy.password) == credentials
    hop = replace(parse("https://service.test/base"), proxy=proxy).hop
    assert (hop.url, hop.proxy) == (parse(read).url, None)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "not the URL of a proxy"),
        ("s3cret@h:1", "not the URL of a proxy"),
        ("me:s3cret@h:1", "not the URL of a proxy"),
        ("socks5://me:s3cret@h:1080", "a socks5 proxy is not supported"),
        ("SOCKS4://h:1", "a socks4 proxy is not supported"),
        ("gopher://me:s3cret@h:1", "not the URL of a proxy"),
        ("http://me:s3cret@h", "the proxy's port is missing"),
        ("http://me:s3cret@h:0", "the proxy's port is missing"),
        ("http://me:s3cret@h:99999", "not the URL of a proxy"),
        ("http://me:s3cret@:80", "not the URL of a proxy"),
        ("http://me:s3/cret@h:1", "not the URL of a proxy"),
        ("http://me:s3@cret@h:1", "not the URL of a proxy"),
        ("http://me:s3#cret@h:1", "not the URL of a proxy"),
        ("http://h:1/s3cret", "not the URL of a proxy"),
        ("http://h:1?s3cret", "not the URL of a proxy"),
        ("http://me:s3cret@[::1:80", "not the URL of a proxy"),
        ("http://me:s3 cret@h:1", "not the URL of a proxy"),
        ("http://me:s3cret@a..b:1", "not the URL of a proxy"),
    ],
)
def test_an_unusable_proxy_is_named_and_its_credentials_are_not(url: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_proxy(url, PROXY)
    assert caught.value.message == f"{PROXY}: {message}"
    assert "http://user:password@" in caught.value.hint
    assert "s3" not in caught.value.message + caught.value.hint
    assert "cret" not in caught.value.message + caught.value.hint


@given(st.text())
def test_any_text_is_a_proxy_or_an_error_of_the_operator(url: str) -> None:
    try:
        proxy = parse_proxy(url, PROXY)
    except ConfigError:
        return
    assert proxy.host.isascii()
    assert 0 < proxy.port < 65536


def test_credentials_are_not_part_of_what_is_printed() -> None:
    proxy = parse_proxy("http://m3:s3cret@h:1", PROXY)
    target = replace(parse("https://service.test"), proxy=proxy)
    for text in (repr(proxy), repr(target), target.url, target.hop.url):
        assert "m3" not in text
        assert "s3cret" not in text


@pytest.mark.parametrize(
    ("url", "http2", "message"),
    [
        ("http://h", True, "HTTP/2 without TLS cannot go through a proxy"),
        ("https://[::1]", False, "an IPv6 address cannot be reached through a proxy"),
    ],
)
def test_what_cannot_go_through_a_proxy(url: str, http2: bool, message: str) -> None:
    proxy = Proxy(scheme="http", host="h", port=1)
    with pytest.raises(ConfigError) as caught:
        parse_target(url, side="candidate", name="rust", option="--rust", http2=http2, proxy=proxy)
    assert caught.value.message == f"--rust: {message}"
