"""Reads what a run is made of: the machine, the commit, lock files, what the services say."""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from shadow.errors import ConfigError, UnfinishedError
from shadow.model import Answer, NoAnswer, Request, header, isomorphic, readable
from shadow.printable import printable
from shadow.results.provenance import Build, Commit, Machine
from shadow.results.runs import RunInfo
from shadow.sending.choice import open_service
from shadow.sending.limits import Limits
from shadow.sending.rewrite import Unsendable
from shadow.sending.target import Target

GIT_S: Final = 5.0
"""Seconds that git may take: a repository can be large, or on a slow network disk."""
_LIMITS: Final = Limits(connections=1, timeout_s=5.0, max_body=64 * 1024, max_header=64 * 1024)
_SHA: Final = re.compile(r"[0-9a-f]{40,64}")


class VersionSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where a service says its version: a header of an answer, or the body of one."""

    path: str = "/"
    """What is asked for, with GET."""
    header: str | None = None
    """The header that holds the version; None takes the body."""


def machine() -> Machine:
    """Return what this process runs on."""
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores(),
        architecture=platform.machine(),
        system=f"{platform.system()} {platform.release()}",
        cpu=_cpu(),
        python=platform.python_version(),
    )


def _cores() -> int:
    return os.cpu_count() or 1


def _cpu() -> str:
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            head = file.read(16 * 1024).decode("utf-8", "replace")
    except OSError:
        return ""
    found = re.search(r"^model name\s*:\s*(.+)$", head, re.MULTILINE)
    return found[1].strip()[:100] if found else ""


def commit(folder: Path) -> Commit | None:
    """Return the commit that is checked out in a folder; None without git or a repository."""
    sha = _git(folder, "rev-parse", "--verify", "HEAD")
    if sha is None or _SHA.fullmatch(sha.strip()) is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return Commit(sha=sha.strip(), dirty=bool(changed and changed.strip()))


def _git(folder: Path, *words: str) -> str | None:
    """Ask git without letting the repository run anything of its own, or a prompt stop it."""
    command = ["git", "-c", "core.fsmonitor=false", "--no-optional-locks", "-C", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - fixed words and a folder
            [*command, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_S,
            check=False,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def lockfile_digest(path: Path, option: str) -> str:
    """Return the SHA-256 of a file in hex. Raises ConfigError that begins with `option`."""
    try:
        if not path.is_file():  # a pipe would be waited for
            raise ConfigError(f"{option}: {path} is no file", "name the lock file of the build")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(
            f"{option}: cannot read {path}: {error.strerror}", "name the lock file of the build"
        ) from None


def with_versions(
    info: RunInfo,
    baseline: tuple[Target | None, VersionSource | None],
    candidate: tuple[Target | None, VersionSource | None],
) -> RunInfo:
    """Return what the run is, with the versions that the services say they have.

    A version that is given already stays. One that cannot be read is a note, not an error.
    """
    return msgspec.structs.replace(
        info,
        baseline_build=_asked(info.baseline_build, *baseline),
        candidate_build=_asked(info.candidate_build, *candidate),
    )


def _asked(build: Build, target: Target | None, source: VersionSource | None) -> Build:
    if target is None or source is None or build.version:
        return build
    found = asyncio.run(_ask(target, source))
    return msgspec.structs.replace(build, **found)


async def _ask(target: Target, source: VersionSource) -> Mapping[str, str]:
    """Send one request; the field of a build that came of it: `version` or `note`."""
    try:
        async with open_service(target, _LIMITS) as service:
            message = service.render(Request(method="GET", target=isomorphic(source.path)))
            observation = await service.send(message, method="GET", safe=True)
    except Unsendable as unsendable:
        return {"note": f"GET {source.path} cannot be sent: {unsendable.reason}"}
    except UnfinishedError as error:
        return {"note": error.message}
    if isinstance(observation, Answer):
        return _said(observation, source)
    kind = observation.kind if isinstance(observation, NoAnswer) else "reset"
    return {"note": f"GET {source.path}: no answer ({kind})"}


def _said(answer: Answer, source: VersionSource) -> Mapping[str, str]:
    response = answer.response
    if source.header is not None:
        text = header(response.headers, source.header.lower())
        if text is None or not text.strip():
            return {"note": f"GET {source.path}: no header {source.header} in the answer"}
        return {"version": _one_line(readable(text))}
    if response.status != 200:
        return {"note": f"GET {source.path}: status {response.status}"}
    text = _of_body(response.body)
    return {"version": text} if text else {"note": f"GET {source.path}: an empty answer"}


def _of_body(body: bytes) -> str:
    """The member `version` of a JSON object, or the first line of any other text."""
    try:
        document = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and isinstance(document.get("version"), str):
        return _one_line(document["version"])
    return _one_line(body.decode("utf-8", "replace").strip().partition("\n")[0])


def _one_line(text: str) -> str:
    return printable(text[:1000]).strip()
