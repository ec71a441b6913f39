"""A runner that proves nothing is left open, and certificates."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from tests.sending.service import Run


def _open_sockets() -> set[str]:
    links = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            links.add(str(descriptor.readlink()))
    return {link for link in links if link.startswith("socket:")}


@pytest.fixture(scope="session", autouse=True)
def old_objects_set_aside() -> Iterator[None]:
    """Let each collection look only at what the tests made: it then takes no time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Run a coroutine on each kind of loop; no socket outlives it."""
    before = _open_sockets()
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        yield runner.run
    gc.collect()
    assert _open_sockets() <= before


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make a self-signed certificate (and key, in one file) for a subjectAltName."""
    folder = tmp_path_factory.mktemp("tls")

    def make(name: str) -> Path:
        path = folder / f"{name.replace(':', '_').replace(',', '_')}.pem"
        if not path.exists():
            key = path.with_suffix(".key")
            command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
            options = ["-days", "2", "-subj", "/CN=test", "-addext", f"subjectAltName={name}"]
            files = ["-keyout", str(key), "-out", str(path)]
            subprocess.run([*command.split(), *options, *files], check=True, capture_output=True)
            with path.open("a") as out:
                out.write(key.read_text())
        return path

    return make
