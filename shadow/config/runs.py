"""What a run is, for the store."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any, Final

from shadow import __version__
from shadow.captures import STDIN, digest
from shadow.config.builds import build, folder
from shadow.config.file import Config
from shadow.config.flags import ARGUMENTS, Flags
from shadow.config.rules import accept_rules
from shadow.replay.provenance import commit, machine
from shadow.reports.show import readable_path
from shadow.results.runs import RunInfo, Side

_TOLD: Final = (
    "allow_writes",
    "ceiling",
    "concurrency",
    "endpoint",
    "exclude",
    "join",
    "limit",
    "max_error_share",
    "max_errors",
    "max_latency",
    "methods",
    "order",
    "rate",
    "repeat",
    "sample",
    "seed",
    "sides",
    "speed",
    "timeout",
)
"""The flags that decide what a run sees, kept with it."""


def run_info(
    command: str,
    captures: tuple[str, ...],
    sides: tuple[Side, Side],
    flags: Flags,
    config: Config,
) -> RunInfo:
    """What the run is, for the store. Reads the captures once, for their digest, but no pipe.

    Of a diff it is the baseline's alone: the candidate's capture is new with each of its builds.
    """
    same = captures[:1] if command == "diff" else captures
    pipes = any(path == STDIN or Path(path).is_fifo() for path in same)
    return RunInfo(
        command=command,
        captures=tuple(map(readable_path, captures)),
        digest="" if pipes else digest(same),
        baseline=sides[0],
        candidate=sides[1],
        options={name: flags[name] for name in _TOLD if flags.get(name) not in (None, ())},
        arguments={name: _readable(flags[name]) for name in ARGUMENTS if name in flags},
        config_digest=config_digest(config, flags),
        versions={"shadow": __version__},
        baseline_build=build(config, "baseline", flags),
        candidate_build=build(config, "candidate", flags),
        commit=commit(folder(config)),
        machine=machine(),
        accept=tuple(rule.by for rule in accept_rules(config)),
        owners=config.endpoints.owners,
        files=config.endpoints.files,
    )


def _readable(value: Any) -> Any:
    """A flag as it can be stored: the name of a file need not be text."""
    if isinstance(value, tuple | list):
        return [_readable(each) for each in value]
    return readable_path(value) if isinstance(value, str) else value


def config_digest(config: Config, flags: Flags) -> str:
    """Of every file, but the captures, that decides on verdicts.

    The text of `shadow.toml` as it stands, so that no secret of the environment is in it. Where
    one cannot be read, whoever needs it says so.
    """
    profile = flags["noise_profile"] or config.noise.profile
    described = config.endpoints.openapi
    openapi = str(Path(config.source).parent / described) if described else ""
    sources = [
        config.source,
        profile,
        openapi,
        *(each.descriptor_set for each in config.compare.protobuf),
    ]
    whole = hashlib.sha256()
    for source in filter(None, sources):
        with contextlib.suppress(OSError):
            whole.update(hashlib.sha256(Path(source).read_bytes()).digest())
    return whole.hexdigest()
