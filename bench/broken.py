"""What a Rust service may do instead of answering."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from bench import measure
from bench.processes import free_ports, listens, nginx


@contextlib.contextmanager
def hanging() -> Iterator[str]:
    """Accepts every connection, and never answers."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):  # closed
                while True:
                    held.append(server.accept()[0])

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    accepting.join()
    for each in held:
        each.close()


@contextlib.contextmanager
def failing() -> Iterator[str]:
    """Answers 500."""
    with broken("return 500 'no';") as url:
        yield url


@contextlib.contextmanager
def dropping() -> Iterator[str]:
    """Closes the connection as soon as it has read a request."""
    with broken("return 444;") as url:
        yield url


@contextlib.contextmanager
def absent() -> Iterator[str]:
    """A port that nobody listens on."""
    yield f"http://127.0.0.1:{free_ports(1)[0]}"


@contextlib.contextmanager
def broken(does: str) -> Iterator[str]:
    """An nginx on the services' core that does this and no more."""
    (port,) = free_ports(1)
    server = f"server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ {does} }} }}"
    with nginx(server, measure.upstream_core()) as process:
        listens(process, port)
        yield f"http://127.0.0.1:{port}"
