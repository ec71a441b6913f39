"""`[redact]` → what is taken out of captures, and hidden in everything else that is kept."""

from __future__ import annotations

from typing import get_args

from shadow.captures.redact import Redaction, Redactor, Rule
from shadow.captures.redact.rules import Names, Where, last_name
from shadow.config.file import Config, named
from shadow.config.tables.redacting import RedactRuleTable
from shadow.errors import ConfigError
from shadow.masking import Hidden


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


def hidden(config: Config) -> Hidden:
    """What is masked in events, store and reports, besides credentials. Raises ConfigError."""
    rules = redaction(config).all_rules()

    def names(*wheres: Where) -> tuple[str, ...]:
        return tuple(rule.what for rule in rules if rule.where in wheres)

    return Hidden(
        headers=tuple(name.lower() for name in names("header")),
        parameters=tuple(name.lower() for name in names("query", "form")),
        members=tuple(last_name(name) for name in names("json")),
        detect=names("detect"),
        patterns=names("pattern"),
    )
