"""The program on the page about httpx does what the page says."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.sending.service import Peer, serve

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "httpx.md"


def test_the_program_sends_the_request_as_it_stands() -> None:
    program = PAGE.read_text("utf-8").split("```python\n")[1].split("```")[0]
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        while request := await peer.request():
            seen.append(request)
            await peer.send(b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok")

    async def main() -> tuple[str, str]:
        async with serve(script) as service:
            url = f"http://127.0.0.1:{service.port}/"
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                program.replace("http://127.0.0.1:8080/", url),
                stdout=subprocess.PIPE,
            )
            out, _ = await process.communicate()
            return out.decode(), url

    out, url = asyncio.run(main())
    assert out == "200 [(b'X-A', b'b'), (b'Content-Length', b'2')] 2\n"
    host = url.removeprefix("http://").removesuffix("/")
    head = seen[0].decode().split("\r\n")
    assert head[0] == "GET /a/../b?x=%2F HTTP/1.1"
    assert sorted(head[1:4]) == sorted([f"Host: {host}", "x-ORDER: 1", "X-Order: 2"])
    assert head[4:] == ["", ""]
