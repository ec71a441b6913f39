"""`[compare]`, `[[accept]]` and `[noise]` → what the judge goes by."""

from __future__ import annotations

from pathlib import Path

import msgspec

from shadow.compare import CompareOptions
from shadow.compare.codecs import protobuf
from shadow.compare.codecs.content import MessageType
from shadow.compare.noise import NoiseProfile
from shadow.config.file import Config, named
from shadow.config.rules import accept_rules, class_policies, compare_rules
from shadow.config.tables.rules import ProtobufTable
from shadow.errors import ConfigError
from shadow.judge import Policy
from shadow.replay.conduct import today


def policy(config: Config, *, all_events: bool = False) -> Policy:
    """What the judge goes by. Expired rules are left out: they fail the run instead."""
    now = today()
    return Policy(
        compare=CompareOptions(rules=compare_rules(config), messages=messages(config)),
        classes=class_policies(config),
        accept=tuple(rule for rule in accept_rules(config) if not rule.by.expired(now)),
        all_events=all_events,
    )


def messages(config: Config) -> dict[str, MessageType]:
    """What Protobuf bodies are, by endpoint. Raises ConfigError."""
    found: dict[str, MessageType] = {}
    for number, entry in enumerate(config.compare.protobuf):
        with named(config, "compare", "protobuf", number):
            found[entry.endpoint] = _message(entry)
    return found


def _message(entry: ProtobufTable) -> MessageType:
    source = entry.descriptor_set
    try:
        message = MessageType(descriptor_set=Path(source).read_bytes(), name=entry.message)
    except OSError as error:
        raise ConfigError(
            f"cannot read descriptor set {source}: {error.strerror}",
            "protoc --include_imports --descriptor_set_out writes one",
        ) from None
    fault = protobuf.fault(message)
    if fault:
        raise ConfigError(
            f"descriptor set {source}: {fault}",
            "write it with protoc --include_imports, and name the message with its package",
        )
    return message


def noise_profile(config: Config, path: str | None) -> NoiseProfile | None:
    """The noise that was learned before, from the flag or the file. Raises ConfigError."""
    source = path or config.noise.profile
    return None if source is None else read_profile(source)


def read_profile(source: str) -> NoiseProfile:
    """A noise profile as `shadow noise learn` wrote it. Raises ConfigError."""
    try:
        return NoiseProfile.from_json(Path(source).read_bytes())
    except OSError as error:
        raise ConfigError(
            f"cannot read noise profile {source}: {error.strerror}", "shadow noise learn writes one"
        ) from None
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"{source} is no noise profile: {error}", "shadow noise learn writes one"
        ) from None
