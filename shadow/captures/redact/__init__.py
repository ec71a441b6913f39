"""Takes the secrets out of an exchange before it reaches a disk.

A secret is replaced by a mark: a keyed hash of its value, `shadow-redacted-` and 20 hex digits.
Equal secrets have equal marks wherever they stand, so that a recorded session still hangs
together: the token that a login returned is the one sent afterwards. Rules may ask for a mask or
nothing in its place.

What is a secret is told by where it stands and what it is called (`rules.Redaction`), and by how
it looks (`shadow.detectors`). One that nothing names and that looks like nothing, a password in
prose for example, is not found.
"""

from __future__ import annotations

from shadow.captures.redact.keys import load_key
from shadow.captures.redact.redactor import Redactor
from shadow.captures.redact.rules import Redaction, Rule
from shadow.captures.redact.scanning import SecretScan

__all__ = ["Redaction", "Redactor", "Rule", "SecretScan", "load_key"]
