from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

SERVICES = Path(__file__).parents[2] / "services"
Ask = Callable[..., tuple[int, bytes]]


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    """Both binaries, as fresh as their sources."""
    subprocess.run([SERVICES / "build.sh"], check=True)


@pytest.fixture
def ask() -> Ask:
    """Sends one request on a connection of its own and returns status and body."""

    def send(
        url: str,
        method: str,
        target: str,
        body: Any = None,
        token: str = "",
        *,
        cookie: str = "",
        timeout_s: float = 10.0,
    ) -> tuple[int, bytes]:
        connection = HTTPConnection(urlsplit(url).netloc, timeout=timeout_s)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if cookie:
            headers["Cookie"] = cookie
        content = None
        if body is not None:
            content = json.dumps(body)
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, target, content, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    return send


@pytest.fixture
def login(ask: Ask) -> Callable[[str, str], str]:
    """Logs a user in and returns the token."""

    def send(url: str, user: str) -> str:
        status, body = ask(url, "POST", "/v1/login", {"user": user, "password": f"pass-{user}"})
        assert status == 200
        token = json.loads(body)["token"]
        assert isinstance(token, str)
        return token

    return send
