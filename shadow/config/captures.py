"""`[redact]` and the flags → what the commands on captures go by."""

from __future__ import annotations

from shadow.captures.converting import ConvertPlan, format_of
from shadow.captures.redact import Redaction, Redactor, load_key
from shadow.captures.redact.rules import Names
from shadow.captures.sampling import SamplePlan
from shadow.config.file import Config, load
from shadow.config.plans import Flags, inspecting
from shadow.config.rules import named
from shadow.errors import ConfigError


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
        strict=flags["strict"],
    )


def sample_plan(flags: Flags) -> SamplePlan:
    """Everything that `shadow sample` goes by. Raises ConfigError."""
    endpoints, safety = inspecting(flags)
    return SamplePlan(
        captures=flags["captures"],
        out=flags["out"],
        to=format_of(flags["out"], flags["to"]),
        per_shape=flags["per_shape"],
        seed=flags["seed"],
        endpoint=lambda request: endpoints.name(request.method, request.target),
        is_safe=safety.is_safe,
    )


def redaction(config: Config) -> Redaction:
    """What is redacted besides credentials. Raises ConfigError for a path that is none."""
    table = config.redact
    for path in table.json:
        with named(config, "redact", "json"):
            Names(Redaction(json=(path,)))
    return Redaction(
        headers=tuple(table.headers),
        query=tuple(table.query),
        form=tuple(table.form),
        json=tuple(table.json),
        keep_cookies=tuple(table.keep_cookies),
    )
