"""One run as one portable file: what `report`, `drift`, `gate` and `--since` need of it.

A file is JSON under zstd, with a checksum: `zstdcat main.run | jq .info` shows it. It holds the
run, its counts with the examples of each finding, and the evidence; no exchange and no event.
A file is untrusted: it is bounded while it is unpacked, and checked before it is used.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import msgspec
import zstandard

from shadow.errors import ShadowError, UnfinishedError
from shadow.printable import printable
from shadow.results.evidence import MAX_SHAPES, MAX_TOTAL, EndpointEvidence, Evidence
from shadow.results.failures import Failures
from shadow.results.finding import MAX_EXAMPLES
from shadow.results.latency import HIGHEST_US
from shadow.results.runs import Run, RunInfo
from shadow.results.speed.pairs import COLUMNS, MAX_PAIRS, WARM_UP, Pairs
from shadow.results.summary import withheld
from shadow.results.tally import MAX_ENDPOINTS, EndpointTally, Tally
from shadow.results.whole import replace_file
from shadow.sessions.hollow import REMEDIES

FORMAT: Final = "shadow-run"
VERSION: Final = 1
MAX_BYTES: Final = 128 << 20
"""What a file may unpack to. A run of a million exchanges takes some 35 MB."""
MAX_INFO: Final = 4 << 20
MAX_TALLY: Final = 64 << 20
"""Parts that take many times their size in memory, so they have limits of their own."""
MAX_ELEMENTS: Final = 1_000_000
"""Elements of the info and of the evidence, told by their commas before they are made."""

_LEVEL: Final = 9
_WINDOW: Final = 32 << 20
_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_MOST: Final = 2**53
"""No honest count is larger."""
_LARGEST: Final = 2**100
"""No honest number is."""
_RUN_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_HINT: Final = "export the run again: shadow export RUN --out FILE"


class _Endpoint(msgspec.Struct, kw_only=True):
    """The evidence of one endpoint; columns are little-endian, of 32 and (keys) 64 bits."""

    columns: dict[str, bytes]
    keys: bytes
    seen: int
    warming: int
    failures: tuple[int, int, int]
    shapes: list[str]
    """Digests of the request shapes: how many there are matters, and not which."""
    divergent_shapes: list[str]


class _File(msgspec.Struct, kw_only=True):
    format: Literal["shadow-run"]
    v: int
    info: msgspec.Raw
    tally: msgspec.Raw
    evidence: msgspec.Raw


class _Head(msgspec.Struct, kw_only=True):
    format: str
    v: int


# Writing


def write_export(run: Run, evidence: Evidence, path: str, *, no_values: bool = False) -> int:
    """Write a run to a file, whole or not at all, with mode 0600; return its size in bytes.

    With `no_values` no compared value is in it. Raises ShadowError where it cannot be written
    or is larger than `MAX_BYTES`.
    """
    data = encode_export(run, evidence, no_values=no_values)
    _write_whole(data, path)
    return len(data)


def encode_export(run: Run, evidence: Evidence, *, no_values: bool = False) -> bytes:
    """Return the bytes of the file. Raises ShadowError where they would be too many to read."""
    packed = {name: _packed(each) for name, each in sorted(evidence.endpoints.items())}
    text = msgspec.json.encode(
        _File(
            format="shadow-run",
            v=VERSION,
            info=msgspec.Raw(msgspec.json.encode(run.info)),
            tally=msgspec.Raw(_tally(run.tally, no_values=no_values)),
            evidence=msgspec.Raw(msgspec.json.encode(packed)),
        )
    )
    if len(text) > MAX_BYTES:
        raise ShadowError(
            f"run {run.info.id}: {len(text):,} bytes are too many for one file",
            "name the path templates under [endpoints], so that there are fewer endpoints",
        )
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(text)


def _tally(tally: Tally, *, no_values: bool) -> bytes:
    """The counts; where they are too long for one file, with fewer examples of each finding."""
    text = tally.to_json(compact=True)
    examples = MAX_EXAMPLES
    if no_values:
        text = _with_examples(text, examples, no_values=True)
    while len(text) > MAX_TALLY and examples:
        examples -= 1
        text = _with_examples(text, examples, no_values=False)
    return text


def _with_examples(text: bytes, most: int, *, no_values: bool) -> bytes:
    tally = Tally.from_json(text)
    for finding in tally.findings:
        kept = finding.examples[:most]
        if no_values:
            kept = tuple(withheld(example, finding.path_pattern) for example in kept)
        finding.examples = kept
    return tally.to_json(compact=True)


def _packed(found: EndpointEvidence) -> _Endpoint:
    pairs = found.pairs
    return _Endpoint(
        columns={name: _little(getattr(pairs, name)) for name in COLUMNS},
        keys=_little(pairs.keys),
        seen=pairs.seen,
        warming=found.warming,
        failures=found.failures,
        shapes=sorted(map(_digest, found.shapes)),
        divergent_shapes=sorted(map(_digest, found.divergent_shapes)),
    )


def _digest(shape: str) -> str:
    """A shape as it stands in a file; one that was read from a file stays as it is."""
    if re.fullmatch(r"#[0-9a-f]{16}", shape):
        return shape
    return "#" + blake2b(shape.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _little(column: array[int]) -> bytes:
    if sys.byteorder == "little":
        return column.tobytes()
    swapped = array(column.typecode, column)
    swapped.byteswap()
    return swapped.tobytes()


def _write_whole(data: bytes, path: str) -> None:
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        raise ShadowError(f"{path}: is no file", "choose another place with --out")
    try:
        replace_file(target, data)
    except OSError as error:
        raise UnfinishedError(
            f"cannot write {path}: {error.strerror}", "choose another place with --out"
        ) from None


# Reading


def read_export(path: str) -> tuple[Run, Evidence]:
    """Read a file back. Raises ShadowError, naming it, where it is missing or not sound."""
    try:
        if Path(path).exists() and not Path(path).is_file():  # a pipe would be waited for
            raise ShadowError(f"{path}: is no file", "shadow export RUN --out FILE writes one")
        with Path(path).open("rb") as file:
            return decode_export(_unpacked(file))
    except OSError as error:
        raise ShadowError(
            f"cannot read run {path}: {error.strerror}", "shadow export RUN --out FILE writes one"
        ) from None
    except ValueError as error:  # msgspec's errors are among them
        raise ShadowError(f"{path}: no exported run: {_reason(error)}", _HINT) from None


def _reason(error: ValueError) -> str:
    return printable(str(error)[:300])


def _unpacked(file: BinaryIO) -> bytes:
    """Return the text of a file. Raises ValueError for one that is none, cut or too large."""
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it is not compressed with zstd")
    file.seek(0)
    frame = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
    text = bytearray()
    try:
        while not frame.eof:
            # At most 128 KiB come out of 4 bytes, so one step is bounded as well.
            data = file.read(512)
            if not data:
                raise ValueError("it ends in the middle")
            text += frame.decompress(data)
            if len(text) > MAX_BYTES:
                raise ValueError(f"it unpacks to more than {MAX_BYTES >> 20} MB")
    except zstandard.ZstdError as error:
        raise ValueError(f"it is damaged: {error}") from None
    if frame.unused_data or file.read(1):
        raise ValueError("something follows its end")
    return bytes(text)


def decode_export(text: bytes) -> tuple[Run, Evidence]:
    """Return the run that a text holds. Raises ValueError where it holds none, or nonsense."""
    try:
        head = msgspec.json.decode(text, type=_Head)
        if head.format != FORMAT:
            raise ValueError("it is another kind of file")
        if head.v != VERSION:
            raise ValueError(f"it is of version {head.v}; this program reads version {VERSION}")
        found = msgspec.json.decode(text, type=_File)
        info = _info(bytes(found.info))
        tally = _counts(bytes(found.tally))
        evidence = _evidence(bytes(found.evidence), tally)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return Run(info=info, tally=tally), evidence


def _info(text: bytes) -> RunInfo:
    _bound(len(text), MAX_INFO, "bytes of info")
    _bound(text.count(b","), MAX_ELEMENTS, "elements")
    info = msgspec.json.decode(text, type=RunInfo)
    _check_info(info)
    return info


def _counts(text: bytes) -> Tally:
    _bound(len(text), MAX_TALLY, "bytes of counts")
    _bound(text.count(b'"HISTF'), len(COLUMNS) * (MAX_ENDPOINTS + 1), "histograms")
    tally = Tally.from_json(text)
    _check_tally(tally)
    return tally


def _check_info(info: RunInfo) -> None:
    if _RUN_ID.fullmatch(info.id) is None:
        raise ValueError("its run has no proper id")
    for moment in (info.started, info.finished):
        if moment is not None and moment.tzinfo is None:
            raise ValueError("a time has no timezone")
    _check_numbers(msgspec.to_builtins(info))


def _check_numbers(value: Any) -> None:
    """Refuse numbers on which arithmetic and formatting break."""
    if isinstance(value, Mapping):
        _check_all(value.values())
    elif isinstance(value, list | tuple):
        _check_all(value)
    elif isinstance(value, int | float) and not -_LARGEST <= value <= _LARGEST:  # nor is NaN
        raise ValueError("a number is out of range")


def _check_all(values: Iterable[Any]) -> None:
    for value in values:
        _check_numbers(value)


def _check_tally(tally: Tally) -> None:
    """Refuse counts that cannot be or do not add up; a tally bounds its names itself."""
    for named in (tally.spellings, *tally.reasons.values()):
        _check_counts(named.values())
    _check_counts((tally.read, tally.broken, tally.findings_dropped))
    for endpoint in tally.endpoints.values():
        _check_endpoint(endpoint)
    for finding in tally.findings:
        _check_counts((finding.exchanges, finding.divergences))
        _bound(len(finding.examples), MAX_EXAMPLES, "examples")
        _check_counts(example.seq for example in finding.examples)
        _check_numbers([msgspec.structs.astuple(example) for example in finding.examples])
    if not tally.accounted:
        raise ValueError("its outcomes do not add up")


def _check_endpoint(endpoint: EndpointTally) -> None:
    _check_counts(endpoint.outcomes.values())
    _check_counts(endpoint.hollow.values())
    _check_counts(endpoint.causes.values())
    _bound(len(endpoint.causes), len(REMEDIES), "causes")
    for outcome, count in endpoint.hollow.items():
        if count > endpoint.outcomes.get(outcome, 0):
            raise ValueError("more exchanges are hollow than there are")
    for latency in endpoint.latency.values():
        _check_counts(latency.counts.values())
        if any(not 0 <= value <= HIGHEST_US for value in latency.counts):
            raise ValueError("a latency is out of range")


def _check_counts(counts: Iterable[int]) -> None:
    if any(not 0 <= count <= _MOST for count in counts):
        raise ValueError("a count is out of range")


def _bound(count: int, most: int, what: str) -> None:
    if count > most:
        raise ValueError(f"it has more than {most:,} {what}")


def _evidence(text: bytes, tally: Tally) -> Evidence:
    """Put the evidence together anew. Raises ValueError where it is not sound."""
    _bound(text.count(b","), MAX_ELEMENTS, "elements")
    found = msgspec.json.decode(text, type=dict[str, _Endpoint])
    if not found.keys() <= tally.endpoints.keys():
        raise ValueError("it has evidence of an endpoint that it does not count")
    _bound(sum(len(each.keys) // 8 for each in found.values()), MAX_TOTAL, "pairs")
    _bound(sum(len(each.shapes) for each in found.values()), MAX_SHAPES, "request shapes")
    evidence = Evidence(())
    for name, each in found.items():
        evidence.restore(name, _endpoint(each))
    return evidence


def _endpoint(packed: _Endpoint) -> EndpointEvidence:
    _check_counts((packed.seen, packed.warming, *packed.failures))
    if packed.warming > WARM_UP:
        raise ValueError("a count is out of range")
    columns = {name: _column("I", packed.columns.get(name, b"")) for name in COLUMNS}
    keys = _column("Q", packed.keys)
    _bound(len(keys), MAX_PAIRS, "pairs of an endpoint")
    if any(len(column) != len(keys) for column in columns.values()) or packed.seen < len(keys):
        raise ValueError("its pairs of latencies do not add up")
    endpoint = EndpointEvidence()
    endpoint.pairs = Pairs.of(columns, keys, seen=packed.seen)
    endpoint.warming = packed.warming
    endpoint.failures = Failures(*packed.failures)
    endpoint.shapes = set(packed.shapes)
    endpoint.divergent_shapes = set(packed.divergent_shapes)
    if not endpoint.divergent_shapes <= endpoint.shapes:
        raise ValueError("its request shapes do not add up")
    return endpoint


def _column(kind: Literal["I", "Q"], data: bytes) -> array[int]:
    column = array(kind)
    if len(data) % column.itemsize:
        raise ValueError("its pairs of latencies do not add up")
    column.frombytes(data)
    if sys.byteorder != "little":
        column.byteswap()
    return column
