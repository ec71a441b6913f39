from __future__ import annotations

from pathlib import Path

import pytest

from shadow.resources.cgroup import Cgroup
from shadow.resources.source import Sample, Unreadable

STAT = "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 0\n"


def test_the_files_of_a_group(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text(STAT)
    (tmp_path / "memory.current").write_text("73400320\n")
    (tmp_path / "memory.peak").write_text("104857600\n")
    source = Cgroup(tmp_path)
    assert source.sample() == Sample(cpu_s=2.5, memory_bytes=73_400_320, peak_bytes=104_857_600)
    assert source.name == f"cgroup:{tmp_path}"


def test_an_older_kernel_has_no_peak(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text(STAT)
    (tmp_path / "memory.current").write_text("max\n")
    assert Cgroup(tmp_path).sample() == Sample(cpu_s=2.5)


def test_what_is_no_group(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"cpu\.stat: No such file"):
        Cgroup(tmp_path / "gone").sample()
    (tmp_path / "cpu.stat").write_text("nr_periods 0\nusage_usec many\n")
    with pytest.raises(Unreadable, match="not version 2"):
        Cgroup(tmp_path).sample()
    with pytest.raises(Unreadable, match="not a path"):
        Cgroup(Path("a\0b")).sample()


def test_a_relative_path_is_below_the_mount() -> None:
    assert Cgroup(Path("system.slice/x")).name == "cgroup:/sys/fs/cgroup/system.slice/x"
