from __future__ import annotations

import hashlib
import hmac
import socket
import time

import pytest

from shadow.errors import ConfigError
from shadow.sending.webhook import ATTEMPTS, Webhook, parse_webhook, post, sign
from tests.receiver import Receiver, receiving

SECRET = "s3cr3t-of-the-hook"
BODY = b'{"event":"shadow.gate.evaluated","phase":"replay"}'


def hook(receiver: Receiver, timeout_s: float = 5) -> Webhook:
    return Webhook(url=f"{receiver.url}/in/{SECRET}?k=v", secret=SECRET, timeout_s=timeout_s)


class Pauses:
    """Takes the place of waiting, and remembers for how long."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def test_a_message_is_signed_over_its_time_and_body() -> None:
    pauses = Pauses()
    with receiving() as receiver:
        assert post(hook(receiver), BODY, wait=pauses, now=lambda: 1_790_000_000.9) is None
    (message,) = receiver.messages
    assert message.path == f"/in/{SECRET}?k=v"
    assert message.body == BODY
    assert message.headers["content-type"] == "application/json"
    assert message.headers["shadow-timestamp"] == "1790000000"
    signed = b"1790000000." + BODY
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert message.headers["shadow-signature"] == f"v1={expected}"
    assert pauses.seconds == []


def test_the_time_is_that_of_now() -> None:
    with receiving() as receiver:
        before = int(time.time())
        assert post(hook(receiver), BODY) is None
    assert before <= int(receiver.messages[0].headers["shadow-timestamp"]) <= time.time()


def test_a_signature_tells_bodies_times_and_secrets_apart() -> None:
    given = {
        sign(secret, timestamp, body)
        for secret in ("a", "b")
        for timestamp in (1, 2)
        for body in (b"x", b"y")
    }
    assert len(given) == 8


@pytest.mark.parametrize("failing", [[500], [503, 429, 408], [0], [0, 502, 425]])
def test_what_may_pass_is_tried_again_as_the_same_delivery(failing: list[int]) -> None:
    pauses = Pauses()
    times = iter(range(100, 200))
    with receiving(failing) as receiver:
        assert post(hook(receiver), BODY, wait=pauses, now=lambda: next(times)) is None
    assert len(receiver.messages) == len(failing) + 1
    assert pauses.seconds == [0.5, 1.0, 2.0][: len(failing)]
    assert len({each.headers["shadow-delivery"] for each in receiver.messages}) == 1
    for number, each in enumerate(receiver.messages, 100):
        assert each.headers["shadow-timestamp"] == str(number)
        assert each.headers["shadow-signature"] == sign(SECRET, number, BODY)


@pytest.mark.parametrize(("status", "attempts"), [(500, ATTEMPTS), (404, 1), (302, 1), (401, 1)])
def test_what_does_not_pass_is_given_up(status: int, attempts: int) -> None:
    pauses = Pauses()
    with receiving([status] * 10) as receiver:
        failure = post(hook(receiver), BODY, wait=pauses)
    assert failure == f"webhook {receiver.url.removeprefix('http://')}: status {status}"
    assert len(receiver.messages) == attempts
    assert len(pauses.seconds) == attempts - 1


def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        pauses = Pauses()
        url = f"http://127.0.0.1:{port}/{SECRET}"
        failure = post(Webhook(url=url, secret=SECRET), BODY, wait=pauses)
    assert failure == f"webhook 127.0.0.1:{port}: ConnectError"
    assert sum(pauses.seconds) == 3.5


def test_a_receiver_that_never_answers_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        webhook = Webhook(url=url, secret=SECRET, timeout_s=0.05)
        failure = post(webhook, BODY, wait=Pauses())
    assert failure is not None
    assert failure.endswith("ReadTimeout")


def test_proxies_of_the_environment_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, receiving() as receiver:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert post(hook(receiver), BODY) is None
    assert (len(proxy.messages), len(receiver.messages)) == (0, 1)


def test_neither_the_url_nor_the_secret_shows() -> None:
    webhook = Webhook(url=f"https://hooks.example/{SECRET}", secret=SECRET)
    assert SECRET not in repr(webhook)
    assert SECRET not in str(webhook)
    assert webhook.host == "hooks.example"


@pytest.mark.parametrize(
    ("url", "secret", "message"),
    [
        ("ftp://host/", "s", "webhook.url is no http:// or https:// URL"),
        ("host/path", "s", "webhook.url is no http:// or https:// URL"),
        ("http://", "s", "webhook.url is no http:// or https:// URL"),
        ("http://h:99999/", "s", "webhook.url is no http:// or https:// URL"),
        ("http://[::1/", "s", "webhook.url is no http:// or https:// URL"),
        ("http://me:pw@host/", "s", "webhook.url holds a user name"),
        ("http://host/", " ", "webhook.secret is empty"),
    ],
)
def test_a_wrong_url_is_refused_and_not_quoted(url: str, secret: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_webhook(url, secret, 10)
    assert refused.value.message == message
    assert refused.value.hint


def test_a_right_url_is_taken() -> None:
    webhook = parse_webhook("https://hooks.example:8443/a", "s", 3)
    assert (webhook.host, webhook.timeout_s) == ("hooks.example:8443", 3)
