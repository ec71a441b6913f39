from __future__ import annotations

import os
import pickle
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from shadow.errors import ShadowError, UnfinishedError
from shadow.results import tables
from shadow.results.database import place_of
from shadow.results.postgres import Server
from shadow.results.runs import RunInfo
from shadow.results.store import Store


@pytest.fixture(params=[0o000, 0o077, 0o177])
def umask(request: pytest.FixtureRequest) -> object:
    before = os.umask(request.param)
    yield before
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_files_are_private_whatever_the_umask(tmp_path: Path, info: RunInfo) -> None:
    path = tmp_path / "new" / ".shadow" / "s.sqlite"
    with Store.open(path) as store:
        store.start_run(info)
        modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    assert modes["s.sqlite"] == modes["s.sqlite-wal"] == modes["s.sqlite-shm"] == 0o600
    for folder in (path.parent, path.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_shadow_folder_stays_out_of_commits_and_another_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    Store.open(tmp_path / ".shadow" / "s.sqlite").close()
    Store.open(tmp_path / "mine.sqlite").close()
    assert (tmp_path / ".shadow" / ".gitignore").read_text() == "*\n"
    assert not (tmp_path / ".gitignore").exists()
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_it_is_in_wal_mode(tmp_path: Path) -> None:
    Store.open(tmp_path / "s.sqlite").close()
    with closing(sqlite3.connect(tmp_path / "s.sqlite")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("a/b.sqlite", "a/b.sqlite"),
        ("sqlite:///a/b.sqlite", "a/b.sqlite"),
        ("sqlite:////a/b.sqlite", "/a/b.sqlite"),
    ],
)
def test_a_store_is_named_by_path_or_url(where: str, path: str) -> None:
    assert place_of(where) == Path(path)


@pytest.mark.parametrize(
    "url",
    [
        *("mysql://u:S3CR3T@h/d?password=S3CR3T", "mysql://u:S3CR3T@h:x/d", "sqlite://"),
        *("sqlite:///:memory:", "://", "no scheme://x"),
    ],
)
def test_another_kind_of_store_is_refused(url: str) -> None:
    with pytest.raises(ShadowError) as caught:
        place_of(url)
    assert caught.value.hint
    assert "S3CR3T" not in caught.value.message


SECRETS = [
    "postgresql://u:S3CR3T@h/d",
    "postgresql://u:S3CR3T@h:5432/d?sslmode=require",
    "postgres://u@h/d?password=S3CR3T",
    "postgresql+psycopg://u:S3CR3T@[::1]:5432,h2/d",
    "postgresql://:S3CR3T@/d?host=%2Frun%2Fpostgresql",
]
WRONG = [
    *("postgresql://u:S3@CR3T@h/d", "postgresql://u:S3/CR3T@h/d", "postgresql://u:S3?CR3T@h/d"),
    *("postgresql://u:S3#CR3T@h/d", "postgresql://h:S3CR3T/d", "postgresql://u:S3CR3T@h/d\n"),
    *("postgresql+asyncpg://u:S3CR3T@h/d", "postgresql://u:S3CR3T@h h/d"),
    "postgresql://" + "a" * 5_000 + "!",
]

# A database of a server


def not_opened(url: str) -> ShadowError:
    with pytest.raises(ShadowError) as caught:
        Store.open(url)
    error = caught.value
    assert error.__suppress_context__ or error.__context__ is None
    assert "\n" not in error.message
    assert error.hint
    assert "S3CR3T" not in f"{error!r} {error.message} {error.hint}"
    return error


@pytest.mark.parametrize("url", SECRETS)
def test_no_text_of_a_place_has_its_password(url: str) -> None:
    place = place_of(url)
    assert isinstance(place, Server)
    assert "S3CR3T" in place.url
    assert "S3CR3T" not in f"{place} {place!r}"
    assert str(place).startswith("postgresql://")
    assert place_of(place) == pickle.loads(pickle.dumps(place)) == place


def test_a_place_is_shown_as_a_url() -> None:
    for url, shown in zip(SECRETS, ["u@h/d", "u@h:5432/d", "u@h/d", "u@[::1]:5432,h2/d", "/d"],
                          strict=True):  # fmt: skip
        assert str(place_of(url)) == f"postgresql://{shown}"


@pytest.mark.parametrize("url", WRONG)
def test_of_what_is_no_url_nothing_is_repeated(url: str) -> None:
    error = not_opened(url)
    assert error.message == "--store postgresql://…: not a URL of PostgreSQL"
    assert "%40" in error.hint


def test_a_missing_driver_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    error = not_opened("postgresql://u@h/d")
    assert error.message.endswith("needs the driver psycopg, which is not installed")
    assert error.hint == "pip install 'shadow-traffic[postgres]'"


def test_a_parameter_that_is_none() -> None:
    assert "S3CR" in not_opened("postgresql://u@h/d?S3CR=1").message


def test_nobody_listens() -> None:
    error = not_opened("postgresql://u:S3CR3T@127.0.0.1:1/d")
    assert isinstance(error, UnfinishedError)
    assert "cannot be reached: Connection refused" in error.message


def test_texts_that_cannot_be_kept() -> None:
    assert tables.storable("a\0b") == "a␀b"
    assert tables.storable("é\ud800") == "é\\ud800"
    assert tables.storable("plain") == "plain"


# A file


def refused(path: Path, *, create: bool = True) -> ShadowError:
    with pytest.raises(ShadowError) as caught:
        Store.open(path, create=create)
    error = caught.value
    assert str(path) in error.message
    assert "\n" not in error.message
    assert error.hint
    assert error.exit_code == 2
    return error


def test_a_missing_store_is_not_made_to_be_read(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    assert "does not exist" in refused(path, create=False).message
    assert not path.exists()


@pytest.mark.parametrize("create", [True, False])
def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, *, create: bool) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database\n" * 100)
    assert "no SQLite database" in refused(path, create=create).message
    assert path.read_text() == "not a database\n" * 100


@pytest.mark.parametrize("create", [True, False])
def test_a_database_of_another_program_is_left_alone(tmp_path: Path, *, create: bool) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    assert "not one of shadow's" in refused(path, create=create).message
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    error = refused(path, create=False)
    assert "newer shadow" in error.message
    assert "upgrade" in error.hint


def test_a_place_that_cannot_hold_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "Not a directory" in refused(tmp_path / "file" / "s.sqlite").message
    assert "directory" in refused(tmp_path).message


def test_a_store_cut_short_is_called_damaged(tmp_path: Path, info: RunInfo) -> None:
    path = tmp_path / "s.sqlite"
    with Store.open(path) as store:
        store.start_run(info)
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with Store.open(path) as store, pytest.raises(ShadowError, match="damaged"):
        store.load()


def test_a_store_held_by_another_process_is_waited_for_and_then_named(
    tmp_path: Path, info: RunInfo
) -> None:
    path = tmp_path / "s.sqlite"
    with Store.open(path, busy_s=0.05) as store, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnfinishedError, match="held by another process"):
            store.start_run(info)
        other.rollback()
        store.start_run(info)
