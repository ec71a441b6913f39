"""Takes the secrets out of an exchange before it reaches a disk.

A secret is replaced by a mark: a keyed hash of its value, `shadow-redacted-` and 20 hex digits.
Equal secrets have equal marks wherever they stand, so that a recorded session still hangs
together: the token that a login returned is the one sent afterwards.

What is a secret is told by where it stands and what it is called (`rules.Redaction`). One that
nothing names, in a path segment or in prose, is not found.
"""

from __future__ import annotations

from shadow.captures.redact.keys import load_key
from shadow.captures.redact.redactor import Redactor
from shadow.captures.redact.rules import Redaction

__all__ = ["Redaction", "Redactor", "load_key"]
