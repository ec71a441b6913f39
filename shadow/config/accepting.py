"""Writes an `[[accept]]` entry, leaving the rest of the file as it is."""

from __future__ import annotations

import json
from datetime import date

from shadow.config.appending import append, place_of
from shadow.errors import ConfigError, ShadowError
from shadow.printable import printable
from shadow.replay.conduct import today
from shadow.results.finding import Finding
from shadow.results.resolve import load_run


def accept(
    *,
    signature: str,
    reason: str,
    owner: str,
    expires: date,
    go_is_wrong: bool,
    run: str,
    config: str | None,
    store: str,
) -> str:
    """Append an entry for the finding and return what was done.

    Raises ShadowError where the run has no such finding, the date is over, or the file would
    not be valid afterwards.
    """
    if expires < today():
        raise ConfigError(f"--expires {expires} is over", "give a day that is still to come")
    for option, text in (("--reason", reason), ("--owner", owner)):
        if not text.strip():
            raise ConfigError(f"{option} is empty", "say it")
    findings = load_run(run, store, evidence=False).run.tally.findings
    found = {each.signature: each for each in findings if each.signature.startswith(signature)}
    if len(found) != 1:
        many = "more than one finding begins with" if found else "has no finding"
        raise ShadowError(f"run {run}: {many} {signature}", "shadow report lists its findings")
    finding = next(iter(found.values()))
    path = place_of(config)
    append(path, entry(finding, reason, owner, expires, go_is_wrong))
    return f"{path}: accepted {finding.signature} until {expires}, owned by {owner}"


def entry(finding: Finding, reason: str, owner: str, expires: date, go_is_wrong: bool) -> str:  # noqa: FBT001 - the entry's fields in order
    """The TOML of one entry; the comment says what the signature stands for."""
    place = f"{finding.endpoint}  {finding.where} {finding.path_pattern} {finding.kind}"
    lines = [
        "[[accept]]",
        "# " + printable(place, "?"),
        f'signature = "{finding.signature}"',
        f"reason = {_quoted(reason)}",
        f"owner = {_quoted(owner)}",
        f"expires = {expires.isoformat()}",
    ]
    if go_is_wrong:
        lines.append('verdict = "go-is-wrong"')
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's escapes are among TOML's."""
    plain = text.encode("utf-8", "replace").decode()
    return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007f")
