"""A real receiver of webhooks on this machine: keeps what it is sent, answers as it is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One request that came in; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True, kw_only=True)
class Receiver:
    """Where it listens, and what came in."""

    url: str
    messages: list[Message] = field(default_factory=list)


@contextmanager
def receiving(statuses: Sequence[int] = ()) -> Iterator[Receiver]:
    """Answer with one status after the other, then with 200; 0 closes without an answer."""
    waiting = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): text for name, text in self.headers.items()}
            found.messages.append(Message(path=self.path, headers=headers, body=body))
            status = waiting.pop(0) if waiting else 200
            self.close_connection = True
            if status:
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Receiver(url=f"http://127.0.0.1:{server.server_address[1]}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
