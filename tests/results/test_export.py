from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shadow.compare.accept import Responsibility
from shadow.errors import ShadowError, UnfinishedError
from shadow.masking import WITHHELD
from shadow.model import Divergence, Outcome
from shadow.results import export as export_module
from shadow.results.evidence import Evidence
from shadow.results.export import decode_export, encode_export, read_export, write_export
from shadow.results.judged import judge_evidence
from shadow.results.record import Record, Seen
from shadow.results.resources import Resources, ResourceUse, Spread
from shadow.results.runs import Run, RunInfo
from shadow.results.speed.pairs import COLUMNS
from shadow.results.store import Store
from shadow.results.summary import summarise
from shadow.results.tally import MAX_NAMES, Tally

MakeRecord = Callable[..., Record]
MakeDivergence = Callable[..., Divergence]
RecordLists = st.SearchStrategy[list[Record]]


def stored(store: Store, info: RunInfo, records: list[Record]) -> tuple[Run, Evidence]:
    run_id = store.start_run(info)
    tally = Tally()
    for record in records:
        tally.add(record)
    tally.count_broken(2)
    store.commit_segment(run_id, cursor="1", records=records, tally=tally)
    run = store.finish_run(
        run_id, state="finished", exit_code=1, duration_s=1.5, resources=info.resources
    )
    return run, store.evidence(run)


@pytest.fixture
def a_run(
    file_store: Store, info: RunInfo, make_record: MakeRecord, make_divergence: MakeDivergence
) -> tuple[Run, Evidence]:
    """A paced replay of 300 exchanges with a finding, a slower side, failures and resources."""
    random = np.random.default_rng(1)
    records = []
    for seq in range(300):
        took = int(random.lognormal(7, 0.3))
        fields: dict[str, Any] = {
            "session": f"s{seq}",
            "target": f"/a?x={seq}" if seq % 2 else "/a",
            "baseline": Seen(status=200, service_us=took, response_us=took),
            "candidate": Seen(status=200, service_us=took * 2, response_us=took * 2),
        }
        if seq % 50 == 49:
            fields["candidate"] = Seen(status=500, service_us=took, response_us=took)
        found = [make_divergence(path=f"$['a'][{seq}]")] if seq % 10 == 0 else []
        records.append(make_record(seq, *found, **fields))
    info = msgspec.structs.replace(
        info,
        options={"rate": 50, "sides": "in-turn", "seed": 3},
        accept=(Responsibility(name="accept:x", reason="r", owner="o", expires=date(2999, 1, 1)),),
        resources=Resources(
            baseline=ResourceUse(
                source="pid:1", cpu_s_per_1000=Spread(median=1.5, low=1.0, high=2.0, windows=9)
            )
        ),
    )
    return stored(file_store, info, records)


def same_evidence(one: Evidence, other: Evidence) -> bool:
    if one.endpoints.keys() != other.endpoints.keys():
        return False
    for name, was in one.endpoints.items():
        now = other.endpoints[name]
        counts = [
            (
                each.warming,
                each.failures,
                len(each.shapes),
                len(each.divergent_shapes),
                each.pairs.seen,
                each.pairs.keys,
                *(getattr(each.pairs, column) for column in COLUMNS),
            )
            for each in (was, now)
        ]
        if counts[0] != counts[1]:
            return False
    return (one.paired, one.shapes_counted) == (other.paired, other.shapes_counted)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_written_is_read_back(
    data: st.DataObject, file_store: Store, info: RunInfo, record_lists: RecordLists
) -> None:
    run, evidence = stored(file_store, info, data.draw(record_lists))
    again, evidence_again = decode_export(unpacked(encode_export(run, evidence)))
    assert again.info == run.info
    assert again.tally.to_json() == run.tally.to_json()
    assert same_evidence(evidence, evidence_again)
    twice = encode_export(again, evidence_again)
    assert twice == encode_export(run, evidence)


def test_a_report_of_the_file_is_that_of_the_store(
    a_run: tuple[Run, Evidence], tmp_path: Path
) -> None:
    run, evidence = a_run
    path = tmp_path / "main.run"
    size = write_export(run, evidence, str(path))
    assert path.stat().st_size == size
    assert path.stat().st_mode & 0o777 == 0o600
    again, evidence_again = read_export(str(path))
    assert summarise(again, evidence=evidence_again) == summarise(run, evidence=evidence)
    judged = judge_evidence(again, evidence_again)
    assert judged.speeds["GET /a"].verdict == "slower"
    assert judged.errors["GET /a"].candidate_only == 6


def test_no_values_are_in_it_where_they_are_withheld(a_run: tuple[Run, Evidence]) -> None:
    run, evidence = a_run
    again, _ = decode_export(unpacked(encode_export(run, evidence, no_values=True)))
    examples = [each for finding in again.tally.findings for each in finding.examples]
    assert examples
    assert {each.baseline for each in examples} == {WITHHELD}
    kept = [each for finding in run.tally.findings for each in finding.examples]
    assert {each.baseline for each in kept} == {"1"}  # the run itself is as it was


def test_it_is_written_whole_or_not_at_all(a_run: tuple[Run, Evidence], tmp_path: Path) -> None:
    path = tmp_path / "main.run"
    path.write_bytes(b"before")
    path.chmod(0o644)
    write_export(*a_run, str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.glob("*.run*")] == ["main.run"]
    with pytest.raises(UnfinishedError, match="cannot write"):
        write_export(*a_run, str(tmp_path / "no" / "main.run"))
    with pytest.raises(ShadowError, match="is no file"):
        write_export(*a_run, str(tmp_path))


def test_a_full_disk_leaves_nothing(
    a_run: tuple[Run, Evidence], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fchmod", full)
    path = tmp_path / "main.run"
    path.write_bytes(b"before")
    with pytest.raises(UnfinishedError, match="No space left"):
        write_export(*a_run, str(path))
    assert path.read_bytes() == b"before"
    assert [each.name for each in tmp_path.glob("*.run*")] == ["main.run"]


# Files that are not what they should be


def unpacked(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def refused(path: Path, data: bytes) -> str:
    """The one line that a file is refused with."""
    path.write_bytes(data)
    with pytest.raises(ShadowError) as caught:
        read_export(str(path))
    assert caught.value.exit_code == 2
    assert caught.value.hint
    assert caught.value.message.isprintable()
    assert str(path) in caught.value.message
    return caught.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ShadowError, match=r"cannot read run .*no\.run: No such file"):
        read_export(str(tmp_path / "no.run"))
    os.mkfifo(tmp_path / "pipe.run")
    for path in (tmp_path, tmp_path / "pipe.run"):
        with pytest.raises(ShadowError, match="is no file"):
            read_export(str(path))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not compressed"),
        (b"\x28\xb5", "not compressed"),
        (b"PK\x03\x04", "not compressed"),
        (b"\x28\xb5\x2f\xfd", "ends in the middle"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 100, "damaged"),
        (zstandard.compress(b""), "truncated"),
        (zstandard.compress(b"[]"), "Expected `object`"),
        (zstandard.compress(b"[" * 100_000), "malformed|nested|Expected"),
        (zstandard.compress(b'{"format":"shadow-run","v":2}'), "version 2"),
        (zstandard.compress(b'{"format":"other","v":1}'), "another kind"),
        (zstandard.compress(b'{"format":"shadow-run","v":1}'), "missing required field"),
    ],
)
def test_a_file_of_something_else(tmp_path: Path, data: bytes, reason: str) -> None:
    message = refused(tmp_path / "x.run", data)
    assert any(each in message for each in reason.split("|")), message


def test_a_file_that_was_cut_or_changed(a_run: tuple[Run, Evidence], tmp_path: Path) -> None:
    data = encode_export(*a_run)
    for length in range(0, len(data), max(1, len(data) // 40)):
        refused(tmp_path / "cut.run", data[:length])
    refused(tmp_path / "longer.run", data + b"x")
    refused(tmp_path / "twice.run", data + data)
    for place in range(0, len(data), max(1, len(data) // 60)):
        if place in range(4, 8):
            continue  # what the frame says of itself and nothing reads
        changed = bytearray(data)
        changed[place] ^= 0xFF
        refused(tmp_path / "changed.run", bytes(changed))


def test_a_file_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_module, "MAX_BYTES", 4 << 20)
    bomb = zstandard.compress(b" " * (64 << 20))
    assert len(bomb) < 10_000
    assert "unpacks to more than 4 MB" in refused(tmp_path / "bomb.run", bomb)


def test_a_part_that_would_fill_the_memory(
    a_run: tuple[Run, Evidence], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads(unpacked(encode_export(*a_run)))
    for part, most, value in (
        ("info", "elements", {"options": {"a": [0] * 2000}}),
        ("evidence", "elements", {"GET /a": [0] * 2000}),
        ("info", "bytes of info", {"command": "x" * 20_000}),
        ("tally", "bytes of counts", {"spellings": {"x" * 20_000: 1}}),
        ("tally", "histograms", {"endpoints": {"a": ["HISTF"] * 100}}),
    ):
        monkeypatch.setattr(export_module, "MAX_ELEMENTS", 1000)
        monkeypatch.setattr(export_module, "MAX_INFO", 15_000)
        monkeypatch.setattr(export_module, "MAX_TALLY", 15_000)
        monkeypatch.setattr(export_module, "MAX_ENDPOINTS", 10)
        changed = {**document, part: {**document[part], **value}}
        packed = zstandard.compress(json.dumps(changed).encode())
        assert most in refused(tmp_path / "x.run", packed)


def test_a_long_run_has_fewer_examples(
    a_run: tuple[Run, Evidence], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, evidence = a_run
    whole = len(run.tally.to_json(compact=True))
    for less, examples in ((0, 3), (1, 2), (whole, 0)):
        monkeypatch.setattr(export_module, "MAX_TALLY", whole - less)
        text = unpacked(encode_export(run, evidence))
        (finding,) = json.loads(text)["tally"]["findings"]
        assert len(finding["examples"]) == examples
        assert finding["exchanges"] == 30
    assert len(run.tally.findings[0].examples) == 3


def test_a_run_that_nobody_could_read_is_not_written(
    a_run: tuple[Run, Evidence], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "MAX_BYTES", 1000)
    with pytest.raises(ShadowError, match="too many for one file"):
        encode_export(*a_run)


def put(document: Any, path: str, value: Any) -> None:
    *steps, last = path.split(".")
    for step in steps:
        document = document[int(step)] if isinstance(document, list) else document[step]
    document[last] = value


ENDPOINT = "evidence.GET /a"
HOSTILE: list[tuple[str, Any]] = [
    ("info.id", "../../x"),
    ("info.id", "\x1b[31m"),
    ("info.id", ""),
    ("info.started", "2026-01-01T00:00:00"),
    ("info.duration_s", 10**40),
    ("info.options", {"rate": 10**400}),
    ("info.options", {"a": [{"b": -(10**60)}]}),
    ("info.resources.baseline.cpu_s_per_1000.median", 10**50),
    ("info.state", "dancing"),
    ("tally.read", -1),
    ("tally.read", 299),
    ("tally.broken", 2**60),
    ("tally.findings_dropped", -5),
    ("tally.spellings", {"x": -1}),
    ("tally.findings.0.exchanges", -1),
    ("tally.findings.0.severity", "grave"),
    ("tally.endpoints.GET /a.outcomes", {"equivalent": -1, "divergent": 301}),
    ("tally.endpoints.GET /a.hollow", {"divergent": 31}),
    ("tally.endpoints.GET /a.latency", {"baseline_service": [[1, -3]]}),
    ("tally.endpoints.GET /a.latency", {"baseline_service": [[10**15, 3]]}),
    ("tally.endpoints.GET /a.latency", {"baseline_service": "HISTFAAAAAB42pNpmSzMwMAA"}),
    ("evidence.GET /other", {}),
    (f"{ENDPOINT}.keys", "AAAA"),
    (f"{ENDPOINT}.columns", {}),
    (f"{ENDPOINT}.seen", 5),
    (f"{ENDPOINT}.seen", 2**70),
    (f"{ENDPOINT}.warming", 21),
    (f"{ENDPOINT}.failures", [1, -1, 0]),
    (f"{ENDPOINT}.shapes", []),
]


@pytest.mark.parametrize(("path", "value"), HOSTILE, ids=[path for path, _ in HOSTILE])
def test_a_file_that_holds_nonsense(
    a_run: tuple[Run, Evidence], tmp_path: Path, path: str, value: Any
) -> None:
    document = json.loads(unpacked(encode_export(*a_run)))
    put(document, path, value)
    message = refused(tmp_path / "x.run", zstandard.compress(json.dumps(document).encode()))
    assert "no exported run: " in message


def test_too_many_names_are_folded(a_run: tuple[Run, Evidence]) -> None:
    document = json.loads(unpacked(encode_export(*a_run)))
    document["tally"]["spellings"] = {str(number): 1 for number in range(MAX_NAMES + 100)}
    run, _ = decode_export(json.dumps(document).encode())
    assert len(run.tally.spellings) == MAX_NAMES + 1


def test_too_many_examples_pairs_and_shapes(
    a_run: tuple[Run, Evidence], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads(unpacked(encode_export(*a_run)))
    (finding,) = document["tally"]["findings"]
    finding["examples"] *= 2
    packed = zstandard.compress(json.dumps(document).encode())
    assert "more than 3 examples" in refused(tmp_path / "x.run", packed)
    for name, said in (("MAX_PAIRS", "pairs of an endpoint"), ("MAX_TOTAL", "pairs")):
        with monkeypatch.context() as patched:
            patched.setattr(export_module, name, 10)
            assert f"more than 10 {said}" in refused(tmp_path / "x.run", encode_export(*a_run))
    with monkeypatch.context() as patched:
        patched.setattr(export_module, "MAX_SHAPES", 1)
        assert "request shapes" in refused(tmp_path / "x.run", encode_export(*a_run))


def test_a_run_without_any_exchange(file_store: Store, info: RunInfo) -> None:
    run, evidence = stored(file_store, info, [])
    again, evidence_again = decode_export(unpacked(encode_export(run, evidence)))
    assert again.tally.outcomes[Outcome.MATCH] == 0
    assert evidence_again.endpoints == {}
