"""What a run was made of, in words."""

from __future__ import annotations

from shadow.reports.text import DASH, plain, plural
from shadow.results.provenance import Build, Commit, Machine, Provenance
from shadow.results.summary import Summary


def build_text(build: Build) -> str:
    """Say the version, the toolchain and the lock file of a build, as far as they are known."""
    lock = f"lock {build.lockfile[:8]}" if build.lockfile else ""
    return ", ".join(filter(None, (build.version, build.toolchain, lock))) or DASH


def commit_text(commit: Commit | None) -> str:
    """Say a commit, and whether there were changes beside it."""
    if commit is None:
        return DASH
    return commit.sha[:12] + (" and changes" if commit.dirty else "")


def machine_text(machine: Machine | None) -> str:
    """Say what a run was made on."""
    if machine is None:
        return DASH
    return f"{plural(machine.cores, 'core')}, {machine.architecture}, {machine.system}"


def rows(summary: Summary) -> list[tuple[str, str]]:
    """Both builds, the commit and the machine, with their names; what is not known is left out."""
    found = summary.provenance
    if found is None:
        return []
    sides = ((summary.baseline, found.baseline), (summary.candidate, found.candidate))
    pairs = [(f"build of {side.name}", _build(build)) for side, build in sides]
    pairs += [
        ("commit", commit_text(found.commit)),
        ("machine", machine_text(found.machine)),
        ("processor", found.machine.cpu if found.machine else ""),
        ("Python", found.machine.python if found.machine else ""),
    ]
    return [(plain(name), plain(text)) for name, text in pairs if text not in ("", DASH)]


def _build(build: Build) -> str:
    """Say a build, or why nothing is known of it."""
    text = build_text(build)
    return build.note if text == DASH else text


def builds_text(provenance: Provenance, baseline: str, candidate: str) -> str:
    """Say the builds of both services on one line; empty where neither is known."""
    sides = ((baseline, provenance.baseline), (candidate, provenance.candidate))
    known = [(name, build_text(build)) for name, build in sides]
    return " · ".join(f"{name} {text}" for name, text in known if text != DASH)
