"""`[redact]` and the flags → what the commands on captures go by."""

from __future__ import annotations

from typing import get_args

from shadow.captures.converting import ConvertPlan, format_of
from shadow.captures.redact import Redaction, Redactor, Rule, load_key
from shadow.captures.redact.rules import Names, Where
from shadow.captures.sampling import SamplePlan
from shadow.config.file import Config, RedactRuleTable, load
from shadow.config.plans import Flags, inspecting
from shadow.config.plans import endpoints as endpoints_of
from shadow.config.rules import named
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


def redaction(config: Config) -> Redaction:
    """What is redacted besides credentials. Raises ConfigError for a rule that is none."""
    table = config.redact
    for path in table.json:
        with named(config, "redact", "json"):
            Names(Redaction(json=(path,)))
    rules = []
    for number, entry in enumerate(table.rules):
        with named(config, "redact", "rules", number):
            rules.append(_rule(entry))
    return Redaction(
        headers=tuple(table.headers),
        query=tuple(table.query),
        form=tuple(table.form),
        json=tuple(table.json),
        keep_cookies=tuple(table.keep_cookies),
        detect=tuple(table.detect),
        rules=tuple(rules),
    )


def _rule(entry: RedactRuleTable) -> Rule:
    given: list[tuple[Where, str]] = [
        (where, what) for where in get_args(Where) if (what := getattr(entry, where)) is not None
    ]
    if len(given) != 1:
        raise ConfigError(
            f"a rule names {'several things' if given else 'nothing'} to redact",
            f"one of {', '.join(get_args(Where))}",
        )
    where, what = given[0]
    if not what:
        raise ConfigError(f"{where} is empty", "name what is redacted")
    rule = Rule(where=where, what=what, action=entry.action, keep_format=entry.keep_format)
    if entry.keep_format and entry.action != "hash":
        raise ConfigError("keep_format is for the hash", 'leave out action, or give "hash"')
    Redactor(b"", Redaction(rules=(rule,)))  # refuses a path, a pattern, a detector
    return rule
