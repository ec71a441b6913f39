from __future__ import annotations

import os
import socket
from typing import Any

import pytest

from shadow.resources.process import Listener, Process, listening_pid
from shadow.resources.source import Sample, Unreadable


def test_cpu_time_and_memory_of_a_process(busy: Any) -> None:
    source = Process(busy.process.pid)
    before = source.sample()
    busy.do("burn")
    busy.do("hold")
    after = source.sample()
    assert 0.25 <= used(before, after) <= 2
    assert (after.memory_bytes or 0) - (before.memory_bytes or 0) >= 45_000_000
    assert (after.peak_bytes or 0) >= (after.memory_bytes or 0)
    assert source.name == f"pid:{busy.process.pid}"


def test_a_child_counts_while_it_lives_and_after(busy: Any) -> None:
    source = Process(busy.process.pid)
    before = source.sample()
    busy.do("child")
    busy.do("wait")
    assert 0.25 <= used(before, source.sample()) <= 2


def used(before: Sample, after: Sample) -> float:
    assert before.cpu_s is not None
    assert after.cpu_s is not None
    return after.cpu_s - before.cpu_s


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_service_is_found_behind_its_port(busy: Any, host: str) -> None:
    source = Listener(f"http://{host}:{busy.port}/v1")
    assert source.name == f"port {busy.port}"
    assert source.sample().cpu_s is not None
    assert source.name == f"pid:{busy.process.pid}"
    assert listening_pid(busy.port) == busy.process.pid


def test_a_process_that_ends_cannot_be_read_any_more(busy: Any) -> None:
    by_pid, by_port = Process(busy.process.pid), Listener(f"http://127.0.0.1:{busy.port}")
    assert by_pid.sample()
    assert by_port.sample()
    busy.end()
    with pytest.raises(Unreadable, match=f"process {busy.process.pid} has ended"):
        by_pid.sample()
    with pytest.raises(Unreadable, match="has ended"):
        by_port.sample()
    with pytest.raises(Unreadable, match=f"nothing listens on port {busy.port}"):
        by_port.sample()


def test_a_service_that_is_started_anew_is_found_again() -> None:
    source = Listener("http://127.0.0.1:1")
    with pytest.raises(Unreadable, match="nothing listens on port 1 here"):
        source.sample()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        again = Listener(f"http://127.0.0.1:{listening.getsockname()[1]}")
        assert again.sample().memory_bytes
        assert again.name == f"pid:{os.getpid()}"


def test_another_machine_is_not_looked_at() -> None:
    with pytest.raises(Unreadable, match=r"shop\.test is another machine"):
        Listener("https://shop.test").sample()
