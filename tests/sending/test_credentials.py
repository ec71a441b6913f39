"""Credentials from commands and from a token endpoint, renewed while they are in use."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from shadow.errors import ConfigError, UnfinishedError
from shadow.model import Answer, Request
from shadow.sending import credentials
from shadow.sending.auth import Auth, OAuth, parse_auth
from shadow.sending.choice import open_service
from shadow.sending.credentials import Credentials
from shadow.sending.denied import NOTHING_DENIED, parse_denied
from tests.sending.service import Peer, Script, serve


def shell(script: str, **more: float) -> Auth:
    return Auth(command=("sh", "-c", script), **more)  # type: ignore[arg-type]  # ttl_s, timeout_s


def field(auth: Auth) -> tuple[str, str]:
    async def run() -> tuple[str, str]:
        async with Credentials(auth, "go") as found:
            return found.field()

    return asyncio.run(run())


def refusal(auth: Auth) -> str:
    with pytest.raises(UnfinishedError) as refused:
        field(auth)
    return refused.value.message


def test_a_command_gives_the_token_and_its_complaints_are_no_part_of_it() -> None:
    assert field(shell("echo warning >&2; echo t0k3n")) == ("Authorization", "Bearer t0k3n")
    own = replace(shell("echo t0k3n"), header="X-Key", prefix="")
    assert field(own) == ("X-Key", "t0k3n")


@pytest.mark.parametrize(
    ("auth", "why"),
    [
        (shell("echo s3cret; exit 3"), "sh ended with exit code 3"),
        (shell("true"), "no token that can be a header"),
        (shell("printf 's3cret\\nsecond'"), "no token that can be a header"),
        (shell("sleep 60", timeout_s=0.2), "sh took more than 0.2 s"),
    ],
)
def test_what_gives_no_token_is_named_and_not_quoted(auth: Auth, why: str) -> None:
    message = refusal(auth)
    assert why in message
    assert "go" in message
    assert "s3cret" not in message


def tokens(seen: list[bytes], *answers: tuple[int, object]) -> Script:
    async def script(peer: Peer) -> None:
        while request := await peer.request():
            seen.append(bytes(request))
            status, body = answers[min(len(seen) - 1, len(answers) - 1)]
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            await peer.send(head + content)

    return script


def oauth(port: int) -> Auth:
    url = f"http://127.0.0.1:{port}/token"
    return Auth(oauth=OAuth(token_url=url, client_id="me", client_secret="s3cret", scope="a b"))


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (401, {"error": "s3cret"}, "answers 401"),
        (302, {}, "answers 302"),
        (200, b"not JSON s3cret", "holds no access_token"),
        (200, {"access_token": 7}, "holds no access_token"),
        (200, b'"' + b"x" * 70_000 + b'"', "too long"),
    ],
)
def test_a_token_endpoint_that_gives_none_is_named(status: int, body: object, why: str) -> None:
    async def run() -> str:
        async with serve(tokens([], (status, body))) as service:
            try:
                async with Credentials(oauth(service.port), "rust"):
                    return ""
            except UnfinishedError as error:
                return error.message

    message = asyncio.run(run())
    assert why in message
    assert "s3cret" not in message


def test_a_token_is_asked_for_as_rfc_6749_says_and_renewed_before_it_expires(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(credentials, "_AGAIN_S", 0.01)
    seen: list[bytes] = []
    answers = [(200, {"access_token": f"t{n}", "expires_in": 1.0}) for n in (1, 2)]

    async def run() -> list[str]:
        async with (
            serve(tokens(seen, *answers)) as service,
            Credentials(oauth(service.port), "rust") as found,
        ):
            values = [found.field()[1]]
            async with asyncio.timeout(10):
                while found.field()[1] == values[0]:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.01)
            return [*values, found.field()[1]]

    assert asyncio.run(run()) == ["Bearer t1", "Bearer t2"]
    assert b"grant_type=client_credentials&scope=a+b" in seen[0]
    assert b"uthorization: Basic bWU6czNjcmV0" in seen[0]


def test_what_expired_and_cannot_be_renewed_is_not_sent() -> None:
    async def run() -> None:
        async with Credentials(shell("echo t0k3n", ttl_s=0.0), "go") as found:
            await asyncio.sleep(0.001)
            found.field()

    with pytest.raises(UnfinishedError, match="credentials of go expired"):
        asyncio.run(run())


def test_a_command_that_is_gone_when_they_are_renewed_does_not_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "_AGAIN_S", 0.01)
    command = tmp_path / "token"
    command.write_text("#!/bin/sh\necho t0k3n\n", "utf-8")
    command.chmod(0o700)

    async def run() -> str:
        async with Credentials(Auth(command=(str(command),), ttl_s=0.1), "go") as found:
            command.unlink()
            await asyncio.sleep(0.1)  # it is renewed after 0.08 s
            with pytest.raises(UnfinishedError, match="expired, and could not be renewed"):
                found.field()
        return "ended"

    assert asyncio.run(run()) == "ended"


def test_each_request_carries_them_in_the_place_of_the_recorded_ones() -> None:
    seen: list[bytes] = []

    async def run() -> None:
        async with serve(tokens(seen, (200, b""))) as service:
            target = replace(service.target(), auth=shell("echo t0k3n"))
            async with open_service(target) as opened:
                request = Request(
                    method="GET", target="/x", headers=(("authorization", "Bearer old"),)
                )
                found = await opened.send(opened.render(request), method="GET", safe=True)
                assert isinstance(found, Answer)

    asyncio.run(run())
    assert b"Authorization: Bearer t0k3n\r\n" in seen[0]
    assert b"old" not in seen[0]


@pytest.mark.parametrize(
    ("auth", "why"),
    [
        (Auth(), "one of command and oauth"),
        (replace(oauth(1), command=("x",)), "one of command and oauth"),
        (replace(shell("x"), header="Host"), "cannot be set"),
        (replace(shell("x"), header="a b"), "cannot be set"),
        (Auth(oauth=OAuth(token_url="ftp://x", client_id="", client_secret="")), "is no http"),
        (
            Auth(oauth=OAuth(token_url="http://u:p@x/", client_id="", client_secret="")),
            "is no http",
        ),
    ],
)
def test_what_can_be_no_auth_is_refused(auth: Auth, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse_auth(auth, NOTHING_DENIED, "targets.baseline.auth")


def test_a_token_endpoint_that_is_never_to_be_asked_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[safety\] never"):
        parse_auth(oauth(1), parse_denied(["127.0.0.0/8"]), "targets.baseline.auth")


def test_a_token_endpoint_that_leads_elsewhere_later_gets_no_secret() -> None:
    """DNS rebinding: the name was harmless when the config was read."""
    got: list[bytes] = []
    told: list[str] = []

    async def script(peer: Peer) -> None:
        got.append(await peer.request())

    async def run() -> None:
        async with serve(script) as service:
            harmless = oauth(service.port)
            assert harmless.oauth is not None
            denied = parse_denied(["127.0.0.1"])
            rebound = replace(harmless, oauth=replace(harmless.oauth, denied=denied))
            with pytest.raises(UnfinishedError) as refused:
                await Credentials(rebound, "rust").__aenter__()
            told.append(refused.value.message)

    asyncio.run(run())
    assert got in ([], [b""])
    who, where = told[0].split(", which is ")
    assert who == "the token endpoint of rust led to 127.0.0.1"
    assert where == "on the list [safety] never: 127.0.0.1"


def test_what_is_denied_is_known_when_a_token_is_asked_for() -> None:
    denied = parse_denied(["10.0.0.0/8"])
    found = parse_auth(oauth(1), denied, "targets.baseline.auth")
    assert found.oauth is not None
    assert found.oauth.denied == denied
