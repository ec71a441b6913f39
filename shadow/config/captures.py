"""The flags → what the commands on captures go by."""

from __future__ import annotations

from shadow.captures.converting import ConvertPlan, format_of
from shadow.captures.redact import Redaction, Redactor, load_key
from shadow.captures.sampling import SamplePlan
from shadow.config.file import load
from shadow.config.plans import Flags, inspecting
from shadow.config.plans import endpoints as endpoints_of
from shadow.config.redacting import redaction
from shadow.endpoints import Endpoints
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


def secrets_plan(flags: Flags) -> tuple[Endpoints, Redaction]:
    """What secrets are told by, and endpoints. Raises ConfigError."""
    config = load(flags["config"])
    return endpoints_of(config), redaction(config)
