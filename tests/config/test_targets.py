"""How a side is spoken to: the keys of `[targets.…]` beside the URL."""

from __future__ import annotations

import socket

import pytest

from shadow.config import targets
from shadow.config.file import Config, parse
from shadow.errors import ConfigError
from shadow.model import SIDES
from shadow.sending.target import Proxy


def config(**keys: object) -> Config:
    return parse({"targets": {"candidate": {"url": "https://h", **keys}}})


def test_straight_and_http1_unless_told_otherwise() -> None:
    target = targets.target(config(), "candidate", None)
    assert (target.http2, target.proxy) == (False, None)


def test_http2_and_a_proxy_whose_password_is_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROXY_PASSWORD", "s3cret")
    keys = {"http2": True, "proxy": "http://me:${PROXY_PASSWORD}@127.0.0.1:3128"}
    target = targets.target(config(**keys), "candidate", None)
    assert target.http2
    assert target.proxy == Proxy(
        scheme="http", host="127.0.0.1", port=3128, username="me", password="s3cret"
    )
    # A URL on the command line goes the same way.
    assert targets.target(config(**keys), "candidate", "https://other").proxy == target.proxy


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:3128")
    assert targets.target(config(), "candidate", None).proxy is None


def test_a_wrong_proxy_names_its_key() -> None:
    with pytest.raises(ConfigError) as caught:
        targets.target(config(proxy="socks5://me:s3cret@h:1080"), "candidate", None)
    assert caught.value.message == "targets.candidate.proxy: a socks5 proxy is not supported"


def test_http2_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError) as caught:
        targets.target(config(http2=True), "candidate", None)
    assert caught.value.message == "targets.candidate.http2: the package h2 is not installed"
    assert "shadow-traffic[http2]" in caught.value.hint


def test_a_target_that_must_never_be_asked_is_not_made() -> None:
    refused = parse(
        {"targets": {"candidate": {"url": "https://h"}}, "safety": {"never": ["h", "second"]}}
    )
    for url in (None, "http://second:8080"):
        with pytest.raises(ConfigError, match=r"\[safety\] never"):
            targets.target(refused, "candidate", url)
    assert targets.target(refused, "candidate", "http://127.0.0.1:1").port == 1


def test_hosts_that_must_never_be_targets_are_looked_up_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def getaddrinfo(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    found = parse({"safety": {"never": ["one.test", "two.test", "*.three.test"]}})
    both = [targets.target(found, side, "http://127.0.0.1:1") for side in SIDES]
    assert [each for each in asked if each.endswith(".test")] == ["one.test", "two.test"]
    assert [bool(each.denied) for each in both] == [True, True]


def test_an_entry_that_is_no_host_names_its_file() -> None:
    with pytest.raises(ConfigError, match=r"^shadow.toml: \[safety\] never: 'a b' is no host"):
        targets.target(parse({"safety": {"never": ["a b"]}}), "baseline", "http://h")
