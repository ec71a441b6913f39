"""A target's own credentials: fetched before the first request, and again before they expire."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Self

import httpx
import msgspec

from shadow.errors import ShadowError, UnfinishedError
from shadow.model import Observation, Request
from shadow.sending.auth import Auth, OAuth
from shadow.sending.commands import output_of
from shadow.sending.connect import refuse_address
from shadow.sending.fields import is_value
from shadow.sending.service import Done, Message, Service

_RENEWED_AT: Final = 0.8
"""Share of a token's life after which the next one is fetched."""
_AGAIN_S: Final = 5.0
"""Seconds after which it is tried again."""
_MAX_ANSWER: Final = 64 * 1024


class Credentials:
    """The header of one target, kept fresh while it is in use. An async context manager."""

    def __init__(self, auth: Auth, target: str) -> None:
        """Fetch for the target of this name."""
        self._auth = auth
        self._target = target
        self._value = ""
        self._expires = 0.0
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._fetch()
        self._renewing = asyncio.get_running_loop().create_task(self._renew())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._renewing

    def field(self) -> tuple[str, str]:
        """The header field. Raises UnfinishedError where it has expired and no other came."""
        if time.monotonic() > self._expires:
            raise UnfinishedError(
                f"the credentials of {self._target} expired, and could not be renewed",
                "see what gives them out, then go on with --resume",
            )
        return self._auth.header, self._value

    async def _renew(self) -> None:
        while True:
            left = self._expires - time.monotonic()
            await asyncio.sleep(max(_AGAIN_S, left - (1 - _RENEWED_AT) * self._life_s))
            with contextlib.suppress(ShadowError):  # `field` says so, once the old one is over
                await self._fetch()

    async def _fetch(self) -> None:
        began = time.monotonic()
        auth = self._auth
        if auth.oauth is not None:
            token, self._life_s = await self._by_oauth(auth.oauth)
        else:
            token, self._life_s = await self._by_command(auth.command), auth.ttl_s
        value = f"{auth.prefix}{token}"
        if not token or not is_value(value):
            raise self._failed("it gave no token that can be a header")
        self._value, self._expires = value, began + self._life_s

    async def _by_command(self, command: Sequence[str]) -> str:
        done = await output_of(command, timeout_s=self._auth.timeout_s, separate=True)
        if done.code is None:
            raise self._failed(f"{command[0]} took more than {self._auth.timeout_s:g} s")
        if done.code:
            raise self._failed(f"{command[0]} ended with exit code {done.code}")
        return done.text.strip()

    async def _by_oauth(self, oauth: OAuth) -> tuple[str, float]:
        form = {"grant_type": "client_credentials"} | (
            {"scope": oauth.scope} if oauth.scope else {}
        )
        try:
            async with (
                httpx.AsyncClient(trust_env=False, timeout=self._auth.timeout_s) as client,
                client.stream(
                    "POST",
                    oauth.token_url,
                    data=form,
                    auth=httpx.BasicAuth(oauth.client_id, oauth.client_secret),
                    headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                    extensions={"trace": partial(self._step, oauth)},
                ) as answer,
            ):
                body = b""
                async for piece in answer.aiter_raw():
                    body += piece
                    if len(body) > _MAX_ANSWER:
                        raise self._failed("the token endpoint's answer is too long")
        except httpx.HTTPError as error:
            raise self._failed(f"the token endpoint: {type(error).__name__}") from None
        if answer.status_code != httpx.codes.OK:
            raise self._failed(f"the token endpoint answers {answer.status_code}")
        try:
            found = _ANSWER.decode(body)
        except msgspec.DecodeError:
            raise self._failed("the token endpoint's answer holds no access_token") from None
        return found.access_token, found.expires_in or self._auth.ttl_s

    async def _step(self, oauth: OAuth, event: str, info: dict[str, Any]) -> None:
        """Refuse where a connection led to, before the secret goes there. Raises UnfinishedError.

        The name may lead elsewhere now than it did when the config was read.
        """
        if event == "connection.connect_tcp.complete":
            stream = info["return_value"]
            try:
                who = f"the token endpoint of {self._target}"
                refuse_address(oauth.denied, stream.get_extra_info("server_addr"), who)
            except UnfinishedError:
                await stream.aclose()
                raise

    def _failed(self, why: str) -> UnfinishedError:
        return UnfinishedError(
            f"no credentials for {self._target}: {why}", "mend auth of this target in shadow.toml"
        )


class _Answer(msgspec.Struct):
    access_token: str
    expires_in: float | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer, strict=False)


class Authorised:
    """A service whose requests carry its own credentials: a `service.Service`."""

    def __init__(self, service: Service, credentials: Credentials) -> None:
        self._service = service
        self._credentials = credentials
        self._stack = contextlib.AsyncExitStack()

    def render(self, request: Request) -> Message:
        """Make the message of a request, with the credentials of now.

        Raises `rewrite.Unsendable`, and UnfinishedError where there are none.
        """
        name, value = self._credentials.field()
        key = name.lower()
        kept = tuple(field for field in request.headers if field[0].lower() != key)
        return self._service.render(
            msgspec.structs.replace(request, headers=(*kept, (name, value)))
        )

    def start(
        self, message: Message, *, method: str, safe: bool, due: float | None, done: Done
    ) -> bool:
        """Send a message at once, where a connection is free now."""
        return self._service.start(message, method=method, safe=safe, due=due, done=done)

    async def send(self, message: Message, **given: Any) -> Observation:
        """Send a message, waiting for a connection."""
        return await self._service.send(message, **given)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._credentials)
            await stack.enter_async_context(self._service)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
