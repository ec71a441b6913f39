"""Latency distributions that merge exactly and travel as HdrHistograms.

While a run goes, only the buckets that are in use are kept: a dense histogram of this range
is 188 kB, and there are four of them for every endpoint. The buckets are HdrHistogram's own
(1 µs to 1 h, 3 significant digits), so nothing is lost between the two forms.
"""

from __future__ import annotations

import base64
import math
import re
import zlib
from collections.abc import Sequence
from typing import Final

from hdrh.codec import (
    HdrCookieException,
    HdrHistogramSettingsException,
    HdrLengthException,
)
from hdrh.histogram import HdrHistogram

HIGHEST_US: Final = 3_600_000_000
DIGITS: Final = 3
BINS: Final = 10
"""Of a decade, for a plot."""

_EXACT_BITS: Final = 11  # HdrHistogram: 3 digits make 2,048 sub-buckets; below, unit width
_EXACT: Final = 1 << _EXACT_BITS
_ENVELOPE_BYTES: Final = 8
_PAYLOAD_BYTES: Final = 300_000  # more than the longest honest payload: 23,552 of 9 bytes
_NOT_ZERO: Final = re.compile(rb"[^\0]")
_DECODING_ERRORS: Final = (
    HdrCookieException,
    HdrHistogramSettingsException,
    HdrLengthException,
    AssertionError,  # how the package refuses an empty payload
    IndexError,
    zlib.error,
)


def minimum_count(percentile: float, confidence: float = 0.95) -> int:
    """How many values it takes for a percentile to have a two-sided confidence interval.

    The interval between two order statistics covers the quantile p with a probability that
    follows from the binomial distribution; with equal tails both ends exist only where
    max(p, 1 - p)^n <= (1 - confidence) / 2. That gives 6 for p50, 36 for p90, 368 for p99 and
    3,688 for p99.9. Source: Hahn and Meeker, Statistical Intervals, section 5.2
    (distribution-free intervals for a percentile).
    """
    quantile = percentile / 100
    tail = (1 - confidence) / 2
    return math.ceil(math.log(tail) / math.log(max(quantile, 1 - quantile)))


def interval_ranks(count: int, percentile: float) -> tuple[int, int] | None:
    """Return the ranks, from 1, between which a percentile lies with 95 % confidence.

    They follow from the normal approximation of the binomial distribution; None below
    `minimum_count`. It takes the values for independent of each other. Source: Hahn and
    Meeker, Statistical Intervals, section 5.2.
    """
    if count < minimum_count(percentile):
        return None
    quantile = percentile / 100
    middle, spread = count * quantile, 1.96 * math.sqrt(count * quantile * (1 - quantile))
    return max(1, math.floor(middle - spread)), min(count, math.ceil(middle + spread) + 1)


class Latency:
    """Durations in whole microseconds, by bucket. Merging is exact, in any order."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        """Lowest value of a bucket → how many."""
        self.total = 0

    def record(self, microseconds: int) -> None:
        """Count one duration; beyond an hour it counts as an hour."""
        counts, value = self.counts, microseconds
        if value >= _EXACT:
            value = HIGHEST_US if value > HIGHEST_US else value  # noqa: FURB136  not a call
            shift = value.bit_length() - _EXACT_BITS
            value = value >> shift << shift
        elif value < 0:
            value = 0
        counts[value] = counts.get(value, 0) + 1
        self.total += 1

    def merge(self, other: Latency) -> None:
        """Add the durations of another one."""
        counts = self.counts
        for value, count in other.counts.items():
            counts[value] = counts.get(value, 0) + count
        self.total += other.total

    def percentiles(self, wanted: Sequence[float]) -> list[int | None]:
        """Return nearest-rank percentiles in µs, None where `minimum_count` is not met.

        `wanted` is ascending. As in HdrHistogram, the highest value of a bucket stands for it.
        """
        found: list[int | None] = []
        values = iter(sorted(self.counts.items()))
        value, seen = 0, 0
        for percentile in wanted:
            if self.total < minimum_count(percentile):
                found.append(None)
                continue
            rank = max(1, math.ceil(round(self.total * percentile / 100, 6)))
            while seen < rank:
                value, count = next(values)
                seen += count
            found.append(value + (1 << max(0, value.bit_length() - _EXACT_BITS)) - 1)
        return found

    def interval(self, percentile: float) -> tuple[int, int] | None:
        """Return the 95 % interval of a percentile in µs; None where `percentiles` has none."""
        ranks = interval_ranks(self.total, percentile)
        if ranks is None:
            return None
        ends: list[int] = []
        seen = 0
        for value, count in sorted(self.counts.items()):
            seen += count
            while len(ends) < len(ranks) and seen >= ranks[len(ends)]:
                ends.append(value + (1 << max(0, value.bit_length() - _EXACT_BITS)) - 1)
        return ends[0], ends[1]

    def spread(self) -> tuple[tuple[int, int], ...]:
        """Return how many durations fall where: pairs of a bin's lower end in µs and a count.

        Ten bins a decade, `BINS` of them, those that are empty left out.
        """
        bins: dict[int, int] = {}
        for value, count in self.counts.items():
            number = int(BINS * math.log10(max(value, 1)) + 1e-9)
            bins[number] = bins.get(number, 0) + count
        return tuple((round(10 ** (number / BINS)), bins[number]) for number in sorted(bins))

    def to_v2(self) -> str:
        """Encode as an HdrHistogram V2 text (base64 of the compressed form)."""
        histogram = HdrHistogram(1, HIGHEST_US, DIGITS)
        for value, count in self.counts.items():
            histogram.record_value(value, count)
        return str(histogram.encode(), "ascii")

    @classmethod
    def from_v2(cls, text: str) -> Latency:
        """Decode `to_v2`. Raise ValueError for a text that is none or is not of this range."""
        try:
            _check_size(text)
            histogram = HdrHistogram.decode(text.encode("ascii"))
        except _DECODING_ERRORS as error:
            raise ValueError(f"no HdrHistogram: {error}") from error
        if (histogram.highest_trackable_value, histogram.significant_figures) != (
            HIGHEST_US,
            DIGITS,
        ):
            raise ValueError("an HdrHistogram of another range")
        cells = memoryview(histogram.counts).cast("B")
        counts = cells.cast("Q")
        # Nearly all of 23,552 counts are 0, which a pattern passes over much faster than a loop.
        used = sorted({found.start() // 8 for found in _NOT_ZERO.finditer(cells)})
        return cls.from_counts(
            {histogram.get_value_from_index(index): counts[index] for index in used}
        )

    @classmethod
    def from_counts(cls, counts: dict[int, int]) -> Latency:
        """Take bucket counts as they are."""
        latency = cls()
        latency.counts = counts
        latency.total = sum(counts.values())
        return latency


def _check_size(text: str) -> None:
    """Refuse a text that would unpack to more than any honest histogram."""
    unpacker = zlib.decompressobj()
    unpacker.decompress(base64.b64decode(text, validate=True)[_ENVELOPE_BYTES:], _PAYLOAD_BYTES)
    if unpacker.unconsumed_tail:
        raise ValueError("no HdrHistogram: too large")
