"""`[targets.*] version`, `toolchain` and `lockfile` → what a service was built from."""

from __future__ import annotations

from pathlib import Path

from shadow.config.file import Config
from shadow.config.flags import Flags
from shadow.config.targets import LABELS
from shadow.errors import ConfigError
from shadow.model import SideName
from shadow.replay.provenance import VersionSource, lockfile_digest
from shadow.results.provenance import Build


def folder(config: Config) -> Path:
    """The folder of the config, or the working directory where there is none."""
    return Path(config.source).resolve().parent if config.source else Path.cwd()


def build(config: Config, side: SideName, flags: Flags) -> Build:
    """What is given of the build of a side. Raises ConfigError for an unreadable lock file."""
    table = config.targets.of(side)
    lockfile = ""
    if table.lockfile is not None:
        option = f"{config.at('targets', side, 'lockfile')}: targets.{side}.lockfile"
        lockfile = lockfile_digest(folder(config) / table.lockfile, option)
    return Build(
        version=flags.get(f"{LABELS[side]}_version") or "",
        toolchain=table.toolchain or "",
        lockfile=lockfile,
    )


def version_source(config: Config, side: SideName) -> VersionSource | None:
    """Where a side says its version. Raises ConfigError where that names no place."""
    table = config.targets.of(side)
    if table.version is None:
        return None
    path, name = table.version.path, table.version.header
    if path is None and name is None:
        place = config.at("targets", side, "version")
        raise ConfigError(f"{place}: targets.{side}.version is empty", 'write {path = "/version"}')
    if path is not None and not path.startswith("/"):
        place = config.at("targets", side, "version")
        raise ConfigError(
            f"{place}: targets.{side}.version.path {path} is no path", "begin it with /"
        )
    return VersionSource(path=path or "/", header=name)
