"""The flags → what the commands on captures go by."""

from __future__ import annotations

from typing import Final

from shadow.captures.age import SUFFIX, parse_recipients
from shadow.captures.converting import ConvertPlan, format_of
from shadow.captures.redact import Redaction, Redactor, load_key
from shadow.captures.sampling import SamplePlan
from shadow.config.file import load
from shadow.config.flags import Flags
from shadow.config.naming import endpoints as endpoints_of
from shadow.config.redacting import hidden, redaction
from shadow.config.safety import safety as safety_of
from shadow.config.units import octets, seconds
from shadow.endpoints import Endpoints
from shadow.errors import ConfigError
from shadow.masking import Hidden
from shadow.replay.pruning import PrunePlan
from shadow.sending.safety import Safety

_KEPT_LONGEST: Final = 100 * 366 * 86_400.0
"""Seconds."""


def convert_plan(flags: Flags) -> ConvertPlan:
    """Everything that `shadow convert` goes by. Raises ConfigError."""
    key = flags["redact_key"]
    if key is not None and not flags["redact"]:
        raise ConfigError("--redact-key without --redact", "add --redact")
    redactor = None
    if flags["redact"]:
        redactor = Redactor(load_key(key), redaction(load(flags["config"])))
    return ConvertPlan(
        captures=flags["captures"],
        out=flags["out"],
        to=format_of(flags["out"], flags["to"]),
        redactor=redactor,
        recipients=recipients(flags),
        strict=flags["strict"],
    )


def inspecting(flags: Flags) -> tuple[Endpoints, Safety, Hidden]:
    """What an inspection names endpoints and tells reads by, and what it hides there.

    Raises ConfigError.
    """
    config = load(flags["config"])
    return endpoints_of(config), safety_of(config, allow_writes=False), hidden(config)


def sample_plan(flags: Flags) -> SamplePlan:
    """Everything that `shadow sample` goes by. Raises ConfigError."""
    endpoints, safety, _ = inspecting(flags)
    return SamplePlan(
        captures=flags["captures"],
        out=flags["out"],
        to=format_of(flags["out"], flags["to"]),
        recipients=recipients(flags),
        per_shape=flags["per_shape"],
        seed=flags["seed"],
        endpoint=lambda request: endpoints.name(request.method, request.target),
        is_safe=safety.is_safe,
    )


def prune_plan(flags: Flags) -> PrunePlan:
    """Everything that `shadow prune` goes by. Raises ConfigError where there is no limit."""
    older, size, runs = flags["older_than"], flags["keep_bytes"], flags["runs_older_than"]
    places = tuple(flags["places"])
    if places and older is None and size is None:
        raise ConfigError("no limit for the captures", "add --older-than 30d or --keep-bytes 10GiB")
    if not places and (older is not None or size is not None):
        raise ConfigError("no captures are named", "name files, or the folder that they are in")
    if not places and runs is None:
        raise ConfigError("nothing to delete is named", "name captures, or add --runs-older-than")
    return PrunePlan(
        places=places,
        older_than_s=None if older is None else seconds(older, "--older-than", most=_KEPT_LONGEST),
        keep_bytes=None if size is None else octets(size, "--keep-bytes"),
        runs_older_than_s=None
        if runs is None
        else seconds(runs, "--runs-older-than", most=_KEPT_LONGEST),
        store=flags["store"],
        dry_run=flags["dry_run"],
    )


def recipients(flags: Flags) -> tuple[str, ...]:
    """For whom `--out` is encrypted; its name says that it is. Raises ConfigError."""
    found = parse_recipients(flags["encrypt_to"])
    named = flags["out"].endswith(SUFFIX)
    if found and not named:
        raise ConfigError(
            f"--out {flags['out']}: an encrypted file is named so", f"{flags['out']}{SUFFIX}"
        )
    if named and not found:
        raise ConfigError(
            f"--out {flags['out']}: nobody is named to encrypt it for",
            "add --encrypt-to with a public key, age1…",
        )
    return found


def secrets_plan(flags: Flags) -> tuple[Endpoints, Redaction, Hidden]:
    """What secrets are told by, and endpoints. Raises ConfigError."""
    config = load(flags["config"])
    return endpoints_of(config), redaction(config), hidden(config)
