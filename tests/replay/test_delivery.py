from __future__ import annotations

from pathlib import Path

import pytest

from shadow.replay.delivery import write_whole


@pytest.mark.parametrize("private", [True, False])
def test_a_file_is_replaced_whole_and_a_link_stays(tmp_path: Path, private: bool) -> None:
    target, link = tmp_path / "report", tmp_path / "link"
    target.write_text("before")
    target.chmod(0o640)
    link.symlink_to(target)
    write_whole("after\ud800", str(link), private=private)
    assert link.is_symlink()
    assert target.read_text() == "after\\ud800"
    assert target.stat().st_mode & 0o777 == (0o600 if private else 0o640)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link", "report"]


def test_what_is_no_file_takes_any_text_too() -> None:
    write_whole("\ud800", "/dev/null")
    assert not Path("/dev/null").is_file()
