from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from shadow.errors import ConfigError
from shadow.masking import Masker
from shadow.replay.provenance import VersionSource, commit, lockfile_digest, machine, with_versions
from shadow.results.provenance import Build
from shadow.results.runs import RunInfo, Side
from shadow.sending.target import Target, parse_target

INFO = RunInfo(command="replay", baseline=Side(name="go"), candidate=Side(name="rust"))
OK = b"HTTP/1.1 200 OK\r\n"


def test_the_machine() -> None:
    found = machine()
    assert found.cores >= 1
    assert found.system.split()[0]
    assert found.python.count(".") == 2


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_the_commit_of_a_folder(tmp_path: Path) -> None:
    assert commit(tmp_path) is None
    git(tmp_path, "init")
    assert commit(tmp_path) is None  # nothing is committed
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "first")
    found = commit(tmp_path)
    assert found is not None
    assert (len(found.sha), found.dirty) == (40, False)
    (tmp_path / "new").write_text("not under version control")
    assert commit(tmp_path) == found
    (tmp_path / "a").write_text("2")
    changed = commit(tmp_path)
    assert changed is not None
    assert (changed.sha, changed.dirty) == (found.sha, True)


def test_without_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shutil.which("git")
    git(tmp_path, "init")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit(tmp_path) is None


def test_the_digest_of_a_lock_file(tmp_path: Path) -> None:
    path = tmp_path / "Cargo.lock"
    path.write_bytes(b"abc")
    assert lockfile_digest(path, "x") == hashlib.sha256(b"abc").hexdigest()
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing", "pipe", "."):
        with pytest.raises(ConfigError) as caught:
            lockfile_digest(tmp_path / name, "shadow.toml:3: targets.candidate.lockfile")
        assert caught.value.message.startswith("shadow.toml:3: targets.candidate.lockfile: ")


# Versions that the services say


Answering = Callable[[bytes], tuple[Target, list[bytes]]]


@pytest.fixture
def answering() -> Iterator[Answering]:
    """A service that gives one answer and keeps the request."""
    threads: list[Thread] = []

    def start(answer: bytes) -> tuple[Target, list[bytes]]:
        heard: list[bytes] = []
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def answer_one() -> None:
            with listener, listener.accept()[0] as peer:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += peer.recv(65536)
                heard.append(head)
                peer.sendall(answer)

        threads.append(Thread(target=answer_one))
        threads[-1].start()
        return parse_target(url, side="candidate", name="rust", option="--rust"), heard

    yield start
    for thread in threads:
        thread.join()


def said(target: Target, source: VersionSource) -> Build:
    return with_versions(INFO, (None, None), (target, source)).candidate_build


@pytest.mark.parametrize(
    ("body", "version"),
    [
        (b"1.2.3\n", "1.2.3"),
        (b'{"version": "2.0", "up": true}', "2.0"),
        (b'{"name": "x"}', '{"name": "x"}'),
        (b"\x1b[31mred\xff\nmore", " [31mred\ufffd"),
        (b"x" * 5000, "x" * 200 + "…"),
        (b"api token=s3cr3t-s3cr3t", None),
    ],
)
def test_the_version_of_a_page(answering: Answering, body: bytes, version: str | None) -> None:
    target, heard = answering(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    found = said(target, VersionSource(path="/version?full=1"))
    masked = found.masked(Masker())
    if version is None:
        assert "s3cr3t" not in masked.version
    else:
        assert masked.version.lstrip() == version.lstrip()
    assert found.note == ""
    assert heard[0].startswith(b"GET /version?full=1 HTTP/1.1\r\n")


def test_the_version_in_a_header(answering: Answering) -> None:
    target, heard = answering(OK + b"x-version: 3.1\r\nContent-Length: 0\r\n\r\n")
    assert said(target, VersionSource(header="X-Version")) == Build(version="3.1")
    assert heard[0].startswith(b"GET / HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("answer", "source", "note"),
    [
        (
            OK + b"Content-Length: 0\r\n\r\n",
            VersionSource(header="X-Version"),
            "GET /: no header X-Version in the answer",
        ),
        (OK + b"Content-Length: 0\r\n\r\n", VersionSource(path="/v"), "GET /v: an empty answer"),
        (
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno!",
            VersionSource(path="/v"),
            "GET /v: status 404",
        ),
        (b"what?\r\n\r\n", VersionSource(path="/v"), "GET /v: no answer (protocol)"),
        (b"", VersionSource(path="/v"), "GET /v: no answer (reset)"),
    ],
)
def test_a_version_that_cannot_be_read_is_a_note(
    answering: Answering, answer: bytes, source: VersionSource, note: str
) -> None:
    target, _ = answering(answer)
    assert said(target, source) == Build(note=note)


def test_a_version_that_is_given_is_not_asked_for() -> None:
    nowhere = parse_target("http://127.0.0.1:9", side="candidate", name="rust", option="--rust")
    given = RunInfo(
        command="replay",
        baseline=Side(name="go"),
        candidate=Side(name="rust"),
        candidate_build=Build(version="1.0", toolchain="rustc"),
    )
    source = VersionSource(path="/v")
    assert with_versions(given, (None, source), (nowhere, source)) == given
    asked = with_versions(INFO, (None, None), (nowhere, source)).candidate_build
    assert asked == Build(note="GET /v: no answer (connect)")


def test_a_path_that_cannot_be_sent() -> None:
    nowhere = parse_target("http://127.0.0.1:9", side="candidate", name="rust", option="--rust")
    found = said(nowhere, VersionSource(path="/a b"))
    assert found.note == "GET /a b cannot be sent: unsupported"
