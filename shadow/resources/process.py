"""CPU and memory of a process and its children, by its id or by the port it listens on."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import psutil

from shadow.resources.source import Sample, Unreadable

Result = TypeVar("Result")

_PORTS: Final = {"http": 80, "https": 443}
_STATUS_BYTES: Final = 65_536


class Process:
    """The process with an id, and its children: those alive, and those that have ended."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._process: psutil.Process | None = None

    @property
    def name(self) -> str:
        """`pid:123`."""
        return f"pid:{self._pid}"

    def sample(self) -> Sample:
        """Read it. Raises Unreadable where it has ended or belongs to someone else."""
        return _readable(self._pid, self._read)

    def _read(self) -> Sample:
        process = self._process = self._process or psutil.Process(self._pid)
        if not process.is_running():  # the id may have been given to another one
            raise Unreadable(f"process {self._pid} has ended")
        children = process.children(recursive=True)
        times = process.cpu_times()
        cpu = times.user + times.system
        cpu += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        memory = process.memory_info().rss
        for child in children:
            try:
                times, own = child.cpu_times(), child.memory_info().rss
            except psutil.NoSuchProcess:
                continue  # its time is among the ended ones from now on
            cpu += times.user + times.system
            memory += own
        peak = None if children else _high_water(self._pid)
        return Sample(cpu_s=cpu, memory_bytes=memory, peak_bytes=peak)


class Listener:
    """The process that listens on the port of a URL whose host is this machine."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS.get(parts.scheme, 0)
        self._found: Process | None = None

    @property
    def name(self) -> str:
        """`pid:123` once it is found."""
        return self._found.name if self._found else f"port {self._port}"

    def sample(self) -> Sample:
        """Read it, and look for it anew where it has ended. Raises Unreadable."""
        if self._found is None:
            self._found = Process(self._pid())
        try:
            return self._found.sample()
        except Unreadable:
            self._found = None
            raise

    def _pid(self) -> int:
        if not _is_own(self._host):
            raise Unreadable(f"{self._host} is another machine: give cgroup: or prom:")
        return listening_pid(self._port)


def listening_pid(port: int) -> int:
    """Return the process that listens on a TCP port of this machine. Raises Unreadable."""
    connections = _readable(0, lambda: psutil.net_connections(kind="tcp"))
    pids = [
        each.pid
        for each in connections
        if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port
    ]
    if not pids:
        raise Unreadable(f"nothing listens on port {port} here; in a container, give cgroup:")
    known = [pid for pid in pids if pid]
    if not known:
        raise Unreadable(f"the process on port {port} belongs to another user: give pid:")
    return min(known)  # a parent that hands its socket on came first


def _readable(pid: int, read: Callable[[], Result]) -> Result:
    """Turn psutil's errors into Unreadable."""
    try:
        return read()
    except psutil.NoSuchProcess:
        raise Unreadable(f"process {pid} has ended") from None
    except psutil.AccessDenied:
        what = f"process {pid}" if pid else "the list of connections"
        raise Unreadable(f"{what} may not be read by this user") from None
    except (psutil.Error, OSError, ValueError) as error:
        raise Unreadable(f"process {pid}: {type(error).__name__}") from None


def _is_own(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _high_water(pid: int) -> int | None:
    """The most memory since the process began, which Linux keeps; None elsewhere."""
    try:
        with Path(f"/proc/{pid}/status").open("rb") as file:
            text = file.read(_STATUS_BYTES)
    except OSError:
        return None
    for line in text.splitlines():
        name, _, value = line.partition(b":")
        number = value.split()[:1]
        if name == b"VmHWM" and number and number[0].isdigit():
            return int(number[0]) * 1024
    return None
