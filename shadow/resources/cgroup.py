"""CPU and memory of a container, from the files of its control group (version 2).

Source: https://docs.kernel.org/admin-guide/cgroup-v2.html, "CPU" and "Memory".
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from shadow.resources.source import Sample, Unreadable

ROOT: Final = Path("/sys/fs/cgroup")

_MAX_BYTES: Final = 65_536
_MICROSECONDS: Final = 1_000_000


class Cgroup:
    """A control group; a relative path is below `/sys/fs/cgroup`."""

    def __init__(self, path: Path) -> None:
        self._path = ROOT / path  # an absolute path replaces the root

    @property
    def name(self) -> str:
        """`cgroup:` and the path."""
        return f"cgroup:{self._path}"

    def sample(self) -> Sample:
        """Read it. Raises Unreadable where there is no such group."""
        usage = next(
            (
                _number(value)
                for name, _, value in (
                    line.partition(b" ") for line in self._text("cpu.stat").splitlines()
                )
                if name == b"usage_usec"
            ),
            None,
        )
        if usage is None:
            raise Unreadable(f"{self._path}/cpu.stat has no usage_usec: not version 2")
        return Sample(
            cpu_s=usage / _MICROSECONDS,
            memory_bytes=self._optional("memory.current"),
            peak_bytes=self._optional("memory.peak"),
        )

    def _text(self, name: str) -> bytes:
        try:
            with (self._path / name).open("rb") as file:
                return file.read(_MAX_BYTES)
        except OSError as error:
            raise Unreadable(f"{self._path}/{name}: {error.strerror}") from None
        except ValueError:  # a null byte in the path
            raise Unreadable("cgroup: not a path") from None

    def _optional(self, name: str) -> int | None:
        """A file that kernels before 5.19, or the root group, do not have."""
        try:
            return _number(self._text(name))
        except Unreadable:
            return None


def _number(text: bytes) -> int | None:
    stripped = text.strip()
    return int(stripped) if stripped.isdigit() and len(stripped) < 20 else None
