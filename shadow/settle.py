"""What is known only at the end of a run: corpus classes, and the final noise profile.

Pure: records in, revisions out. A revision names only what changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from shadow.compare.classes import OVER
from shadow.compare.classes.base import DivergenceClass
from shadow.compare.json_text import NotJsonError, read
from shadow.compare.noise import NoiseProfile, is_rated
from shadow.compare.paths import Path
from shadow.compare.rules import parse_pattern
from shadow.errors import ConfigError
from shadow.judge import (
    Excuse,
    Policy,
    excuse_for,
    excused,
    outcome_of,
    without_item_floods,
)
from shadow.masking import WITHHELD
from shadow.model import Divergence, Judgement, Outcome
from shadow.results.finding import Finding
from shadow.results.record import Change, Record, Revision

MAX_PLACES: Final = 2_000
MAX_SAMPLES: Final = 200
RAW_BYTES: Final = 32 * 1024 * 1024
"""Of divergences before masking, in all."""


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """The divergences of one exchange before masking, and how the clocks stood."""

    divergences: tuple[Divergence, ...]
    clock_gap_s: float = 0.0
    cut: bool = False
    """A body was cut short: what it holds beyond is not known to be equal."""


class Corpus:
    """Values of unexplained differences by finding, for classes that need many of them."""

    def __init__(self) -> None:
        self._samples: dict[str, list[tuple[Any, Any]]] = {}
        self._keys: dict[str, str] = {}

    def add(self, divergence: Divergence) -> None:
        """Remember the two values of an unexplained difference in a JSON body."""
        if divergence.class_id is not None or divergence.where != "body":
            return
        if divergence.kind == "spelling" or not divergence.path.startswith("$"):
            return
        known = self._samples.get(divergence.signature)
        if known is None:
            if len(self._samples) >= MAX_PLACES:
                return
            known = self._samples[divergence.signature] = []
            names = [step for step in _path(divergence) or () if isinstance(step, str)]
            self._keys[divergence.signature] = names[-1] if names else ""
        if len(known) < MAX_SAMPLES:
            values = _value(divergence.baseline), _value(divergence.candidate)
            if _UNREAD not in values:
                known.append(values)

    def merge(self, other: Corpus) -> None:
        """Add what another part of the run remembers."""
        for signature, samples in other._samples.items():
            if signature in self._samples or len(self._samples) < MAX_PLACES:
                self._keys[signature] = other._keys[signature]
                known = self._samples.setdefault(signature, [])
                known.extend(samples[: MAX_SAMPLES - len(known)])

    def classes(self) -> dict[str, DivergenceClass]:
        """The class of each finding whose samples, taken together, show one."""
        found = {}
        for signature, samples in self._samples.items():
            key = self._keys[signature]
            cls = next((cls for cls in OVER if _shows(cls, samples, key)), None)
            if cls is not None:
                found[signature] = cls
        return found


def _shows(cls: DivergenceClass, samples: list[tuple[Any, Any]], key: str) -> bool:
    named = cls.keys is None or cls.keys.search(key.lower()) is not None
    return named and cls.over is not None and cls.over(samples)


_UNREAD: Final = "\0unread"


def _value(text: str | None) -> Any:
    try:
        return read(text or "").value
    except NotJsonError:
        return _UNREAD


class Memory:
    """What settling a run needs and no disk may see: values before masking. Bounded."""

    def __init__(self) -> None:
        self.corpus = Corpus()
        self.raw: dict[int, Raw] = {}
        """By `seq`; at most `RAW_BYTES` of them."""
        self._bytes = 0

    def remember(self, record: Record, judgement: Judgement) -> None:
        """Take in what was judged of one exchange, as far as its record does not tell it."""
        divergences = judgement.divergences
        if all(divergence.verdict in ("equivalent", "accepted") for divergence in divergences):
            return
        for divergence in divergences:
            self.corpus.add(divergence)
        raw = Raw(divergences=divergences, clock_gap_s=judgement.clock_gap_s, cut=judgement.cut)
        if raw != Raw(divergences=record.divergences):
            self._hold(record.seq, raw)

    def recall(self, record: Record) -> None:
        """Take in a record of an earlier process; what was masked in it tells nothing."""
        for divergence in record.divergences:
            if divergence.verdict == "divergent" and not _illegible(divergence):
                self.corpus.add(divergence)

    def merge(self, other: Memory) -> None:
        """Add what another part of the run remembers."""
        self.corpus.merge(other.corpus)
        for seq, raw in other.raw.items():
            self._hold(seq, raw)

    def _hold(self, seq: int, raw: Raw) -> None:
        size = sum(len(d.baseline or "") + len(d.candidate or "") + 500 for d in raw.divergences)
        if self._bytes + size <= RAW_BYTES:
            self.raw[seq] = raw
            self._bytes += size


def places_to_settle(
    findings: Iterable[Finding],
    classes: Mapping[str, DivergenceClass],
    noise: NoiseProfile | None,
) -> set[str]:
    """Signatures of the findings whose verdict the end of the run may change.

    What was called noise stays noise as more noise is seen, unless a token proved constant.
    """
    return {
        finding.signature
        for finding in findings
        if finding.signature in classes or _may_change(finding, noise)
    }


def _may_change(finding: Finding, noise: NoiseProfile | None) -> bool:
    if noise is None:
        return False
    place = finding.endpoint, finding.where, finding.path_pattern
    if finding.verdict == "noise":
        return noise.repeats(*place) or noise.is_excessive(*place)
    return finding.verdict == "divergent" and noise.is_noisy(*place)


def settle(
    records: Iterable[Record],
    raw: Mapping[int, Raw],
    classes: Mapping[str, DivergenceClass],
    noise: NoiseProfile | None,
    policy: Policy,
) -> Iterator[Revision]:
    """The revisions of the records: classes found late, places found noisy late.

    `raw` has the divergences of a record by `seq` as they were before masking; where it lacks
    one, masked and cut values keep the verdict they had.
    """
    for record in records:
        before = record.divergences
        seen = raw.get(record.seq) or Raw(divergences=before)
        settled = [
            _settled(known, value, seen.clock_gap_s, record.endpoint, classes, noise, policy)
            for known, value in zip(before, seen.divergences, strict=True)
        ]
        if noise is not None:
            settled = list(without_item_floods(tuple(settled), record.endpoint, noise))
        changes = tuple(
            Change(
                position=position,
                class_id=after.class_id,
                severity=after.severity,
                verdict=after.verdict,
                rule=after.rule,
                wrong_side=after.wrong_side,
            )
            for position, (known, after) in enumerate(zip(before, settled, strict=True))
            if known != after
        )
        outcome = outcome_of(settled, differs=True)
        if changes and not (seen.cut and outcome != Outcome.DIVERGENT):
            yield Revision(seq=record.seq, outcome=outcome, changes=changes)


def settle_one(
    divergence: Divergence, endpoint: str, *, noise: NoiseProfile, policy: Policy
) -> Divergence:
    """One divergence, its values unmasked, by the final noise profile."""
    return _settled(divergence, divergence, 0.0, endpoint, {}, noise, policy)


def _settled(  # noqa: PLR0917 - what the run knows, in the order it came to know it
    known: Divergence,
    value: Divergence,
    clock_gap_s: float,
    endpoint: str,
    classes: Mapping[str, DivergenceClass],
    noise: NoiseProfile | None,
    policy: Policy,
) -> Divergence:
    """One divergence as the end of the run sees it; `value` holds its values unmasked."""
    late = classes.get(known.signature) if known.class_id is None else None
    noisy = noise is not None and noise.is_noisy(endpoint, value.where, value.path_pattern)
    if known.verdict not in ("divergent", "noise") or (late is None and not noisy):
        return known
    if noisy and _illegible(value):
        return known
    if late is not None:
        known = msgspec.structs.replace(known, class_id=late.id)
        value = msgspec.structs.replace(value, class_id=late.id)
    excuse = excuse_for(value, endpoint, policy, noise, path=_path(value), clock_gap_s=clock_gap_s)
    if (
        excuse.verdict == "noise"
        and noise is not None
        and (
            noise.is_constant(endpoint, value)
            or (is_rated(value) and noise.is_excessive(endpoint, value.where, value.path_pattern))
        )
    ):
        excuse = Excuse()
    return excused(known, excuse)


def _illegible(divergence: Divergence) -> bool:
    """A value was masked, withheld or cut, so that its kind cannot be told any more."""
    return any(
        text is not None and ("[masked:" in text or text == WITHHELD or text.endswith("…"))
        for text in (divergence.baseline, divergence.candidate)
    )


def _path(divergence: Divergence) -> Path | None:
    if not divergence.path.startswith("$"):
        return None
    try:
        return tuple(value for _, value in parse_pattern(divergence.path).steps)
    except ConfigError:
        return None  # it was cut or masked, and no rule can mean it any more
