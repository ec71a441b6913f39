from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from shadow import captures
from shadow.captures.redact import Redaction, Redactor
from shadow.captures.rotation import RotatingWriter
from shadow.errors import UnfinishedError
from shadow.metrics import Counters
from shadow.model import Exchange, Request
from shadow.sending.limits import Limits
from shadow.sending.wire import Wire
from shadow.sidecar import recording as module
from shadow.sidecar.complaints import Complaints
from shadow.sidecar.plans import RecordPlan, SessionKey
from shadow.sidecar.recording import Recorder, Recording
from shadow.sidecar.relay.passage import COPY_BYTES
from shadow.sidecar.tasks import Tasks
from tests.sidecar.trial import (
    PATIENCE_S,
    Asked,
    Upstream,
    answer_of,
    ask,
    exchange,
    live,
    reply,
    send,
    upstream,
)

KEY = b"k" * 32


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_S", 0.002)


def read(path: Path) -> list[Exchange]:
    found = [each for each in captures.read([path]) if isinstance(each, Exchange)]
    assert len(found) == len(list(captures.read([path])))
    return found


class Trial:
    """A service, and the recorder before it."""

    def __init__(self, port: int, service: Upstream, counters: Counters, told: list[str]) -> None:
        self.port = port
        self.service = service
        self.counters = counters
        self.told = told

    def count(self, name: str) -> int:
        return self.counters.tables[f"shadow_{name}_total"][()]


@asynccontextmanager
async def trying(out: Path, **given: Any) -> AsyncIterator[Trial]:
    """What `shadow record` runs, but for the small ports and the signals."""
    counters, told = Counters(), list[str]()
    async with upstream() as service:
        plan = RecordPlan(
            listen=("127.0.0.1", 0),
            status=None,
            upstream=service.target("baseline"),
            limits=Limits(),
            out=str(out),
            **{"redaction": Redaction(), **given},
        )
        complain = Complaints(told.append)
        limits = Limits(timeout_s=PATIENCE_S, max_body=COPY_BYTES)
        with RotatingWriter(out) as writer:
            recorder = Recorder(writer, Redactor(KEY, plan.redaction), counters, complain)
            async with (
                Tasks(lambda error: told.append(str(error))) as tasks,
                asyncio.TaskGroup() as writing,
                Wire(plan.upstream, limits=limits) as wire,
            ):
                writing.create_task(recorder.run())
                recording = Recording(
                    plan, wire, recorder, counters, tasks=tasks, complain=complain
                )
                async with live(recording) as port:
                    yield Trial(port, service, counters, told)
                recording.close()
                recorder.stop()


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def test_what_the_client_sent_is_written_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "traffic.jsonl"

    async def story() -> None:
        async with trying(out) as trial:
            trial.service.replies = lambda _: reply('{"a":1}', 201, "X-A: 1", "x-a: 2")
            head = (
                "PUT /v1/items/1?q=%2f&&x HTTP/1.1\r\nhOsT: api.test\r\nX-b: 2\r\nx-B: 1\r\n"
                "Accept: */*\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}"
            )
            got = await send(trial.port, head.encode())
            assert (got.status, got.body) == (201, b'{"a":1}')
            (sent,) = trial.service.asked
            assert sent.values("x-forwarded-for") == ["127.0.0.1"]
            assert sent.values("shadow-via") == []
        assert trial.count("recorded") == 1

    run(story)
    (found,) = read(out)
    assert found.request == Request(
        method="PUT",
        target="/v1/items/1?q=%2f&&x",
        headers=(
            ("hOsT", "api.test"),
            ("X-b", "2"),
            ("x-B", "1"),
            ("Accept", "*/*"),
            ("Connection", "keep-alive"),
            ("Content-Length", "2"),
        ),
        body=b"{}",
    )
    assert found.response is not None
    assert found.response.status == 201
    assert found.response.headers[1:3] == (("X-A", "1"), ("x-a", "2"))
    assert found.response.body == b'{"a":1}'
    assert found.latency_ms is not None
    assert found.latency_ms > 0
    assert found.ts is not None


def test_secrets_reach_no_disk_and_sessions_stay_together(tmp_path: Path) -> None:
    out = tmp_path / "traffic.jsonl"

    async def story() -> None:
        redaction = Redaction(headers=("x-card",), json=("$.pin",))
        key = SessionKey(where="cookie", name="sid")
        async with trying(out, redaction=redaction, session=key) as trial:
            trial.service.replies = lambda _: reply(
                '{"pin":"s3cr3t4"}', 200, "Set-Cookie: a=s3cr3t5"
            )
            for session in ("s3cr3t1", "s3cr3t1", "s3cr3t9"):
                fields = [
                    "Authorization: Bearer s3cr3t2",
                    f"Cookie: sid={session}",
                    "X-Card: s3cr3t3",
                ]
                await ask(trial.port, "/login?token=s3cr3t6", fields=fields)

    run(story)
    assert "s3cr3t" not in out.read_text()
    first, second, third = read(out)
    assert first.session == second.session != third.session
    assert first.session is not None
    cookie = dict(first.request.headers)["Cookie"]
    assert cookie == f"sid={first.session}"


def test_no_answer_is_written_as_an_error(tmp_path: Path) -> None:
    out = tmp_path / "traffic.jsonl"

    async def story() -> None:
        async with trying(out) as trial:
            trial.service.replies = lambda _: b""
            assert (await ask(trial.port)).status == 502
            failures = trial.counters.tables["shadow_upstream_failures_total"]
            assert failures["baseline", "reset"] == 1

    run(story)
    (found,) = read(out)
    assert found.response is None
    assert found.error is not None
    assert found.error.kind == "reset"


def test_what_could_not_be_sent_is_no_failure_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of file descriptors here: a replay would take it for what the service did."""
    out = tmp_path / "traffic.jsonl"

    async def send(*_: Any, **__: Any) -> Any:
        raise UnfinishedError("out of file descriptors", "raise `ulimit -n`")

    async def story() -> None:
        async with trying(out) as trial:
            monkeypatch.setattr(Wire, "send", send)
            assert (await ask(trial.port)).status == 502
            assert trial.told == ["out of file descriptors; traffic goes on"]
            table = trial.counters.tables
            assert table["shadow_skipped_total"][("unsent",)] == 1
            assert not any(table["shadow_upstream_failures_total"].values())

    run(story)
    assert not out.exists()


def test_what_is_longer_than_its_copy_is_marked(tmp_path: Path) -> None:
    out = tmp_path / "traffic.jsonl.gz"
    long = b"x" * (COPY_BYTES + 1)

    async def story() -> None:
        async with trying(out) as trial:
            trial.service.replies = lambda asked: reply(long if asked.method == "GET" else b"{}")
            assert (await ask(trial.port)).body == long
            assert (await ask(trial.port, "/", "POST", body=long)).body == b"{}"
            assert trial.service.asked[1].body == long
            half = b"y" * (COPY_BYTES // 2)
            assert (await ask(trial.port, "/", "POST", body=half)).body == b"{}"

    run(story)
    answered, posted, whole = read(out)
    assert answered.response is not None
    assert answered.response.truncated
    assert not answered.request.truncated
    assert posted.request.truncated
    assert posted.response is not None
    assert not posted.response.truncated
    assert (whole.request.truncated, len(whole.request.body)) == (False, COPY_BYTES // 2)


def test_a_request_that_comes_round_again_is_refused(tmp_path: Path) -> None:
    """Else one request would take all connections, and fill the disk."""
    out = tmp_path / "traffic.jsonl"

    async def story() -> None:
        async with trying(out) as trial:

            async def round_again(asked: Asked) -> bytes:
                fields = [f"{name}: {value}" for name, value in asked.headers if name != "Host"]
                got = await ask(trial.port, asked.target, fields=fields)
                return reply(got.body, got.status)

            trial.service.replies = round_again
            got = await ask(trial.port)
            assert got.status == 508
            assert b"leads back to it" in got.body
            assert len(trial.service.asked) == 1
            table = trial.counters.tables
            assert table["shadow_client_refused_total"][("loop",)] == 1
            assert table["shadow_skipped_total"][("loop",)] == 1

    run(story)
    assert [each.response.status for each in read(out) if each.response] == [508]


def test_what_is_not_written_is_counted(tmp_path: Path) -> None:
    out = tmp_path / "traffic.jsonl"

    async def story() -> None:
        async with trying(out) as trial:
            never = asyncio.Event()

            async def wait(_: Asked) -> bytes:
                await never.wait()
                return b""

            assert (await ask(trial.port, "*")).status == 501
            trial.service.replies = wait
            asking = asyncio.ensure_future(ask(trial.port))
            await trial.service.has(1)
        with suppress(ConnectionResetError):
            await asking
        table = trial.counters.tables["shadow_skipped_total"]
        assert {key[0]: count for key, count in table.items() if count} == {
            "unsupported": 1,
            "client-gone": 1,
        }

    run(story)
    assert not out.exists()  # nothing was recorded


def test_another_protocol_passes_and_is_counted(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path / "traffic.jsonl") as trial:
            trial.service.replies = lambda _: reply("no", 400)
            fields = ["Connection: Upgrade", "Upgrade: websocket"]
            assert (await ask(trial.port, fields=fields)).status == 400
            assert trial.counters.tables["shadow_upgrades_total"][("passed",)] == 1

    run(story)


@contextmanager
def full_disk() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # Python ignores SIGXFSZ
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_keeps_nobody_waiting_and_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shadow.captures.rotation.FLUSH_S", 0)
    out = tmp_path / "traffic.jsonl"

    async def story() -> None:
        async with trying(out) as trial:
            assert (await ask(trial.port)).status == 200
            with full_disk():
                for _ in range(20):
                    assert (await ask(trial.port)).status == 200
                async with asyncio.timeout(PATIENCE_S):
                    while not trial.count("record_lost"):
                        await ask(trial.port)
            for _ in range(3):
                await ask(trial.port)
        asked = len(trial.service.asked)
        assert trial.count("recorded") + trial.count("record_lost") == asked
        assert len(trial.told) == 1
        assert "cannot be written" in trial.told[0]
        assert trial.told[0].endswith("traffic goes on, and is not recorded")
        assert len(read(out)) == trial.count("recorded")

    run(story)


def test_a_disk_that_is_full_at_the_end_is_an_error(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path / "traffic.jsonl") as trial:
            await ask(trial.port)

    with full_disk(), pytest.raises(UnfinishedError, match="cannot be written"):
        run(story)


def taking(tmp_path: Path, told: list[str]) -> Recorder:
    writer = RotatingWriter(tmp_path / "traffic.jsonl")
    return Recorder(writer, Redactor(KEY), Counters(), Complaints(told.append))


def test_what_waits_for_the_disk_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING", 3)
    monkeypatch.setattr(module, "WAITING_BYTES", 20_000)

    async def story() -> None:
        told: list[str] = []
        recorder = taking(tmp_path, told)
        recorder.take(exchange(body=b"x" * 17_000))
        assert recorder.waiting[1] > 17_000
        recorder.take(exchange(body=b"x" * 17_000))
        recorder._bytes = 0
        for _ in range(4):
            recorder.take(exchange())
        assert recorder.waiting[0] == 3
        assert recorder._counters.tables["shadow_record_lost_total"][()] == 3
        assert len(told) == 1
        recorder.stop()
        await recorder.run()
        assert recorder.waiting == (0, 0)
        assert recorder._counters.tables["shadow_recorded_total"][()] == 3
        recorder._writer.close()

    run(story)


@pytest.mark.parametrize("error", [ValueError("s3cr3t"), RuntimeError("s3cr3t")])
def test_an_exchange_that_cannot_be_written_keeps_no_other_from_it(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        told: list[str] = []
        recorder = taking(tmp_path, told)
        real = recorder._redactor.redact

        def redact(found: Exchange) -> Exchange:
            if found.id == "x1":
                raise error
            return real(found)

        monkeypatch.setattr(recorder._redactor, "redact", redact)
        for number in range(3):
            recorder.take(exchange(number))
        recorder.stop()
        await recorder.run()
        recorder._writer.close()
        assert recorder._counters.tables["shadow_recorded_total"][()] == 2
        assert recorder._counters.tables["shadow_record_lost_total"][()] == 1
        (said,) = told
        assert said.startswith(f"an exchange cannot be written: {type(error).__name__} at ")
        assert "s3cr3t" not in said

    run(story)
    assert [each.id for each in read(tmp_path / "traffic.jsonl")] == ["x0", "x2"]


def test_an_answer_of_a_kept_connection_is_whole(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path / "traffic.jsonl") as trial:
            reader, writer = await asyncio.open_connection("127.0.0.1", trial.port)
            for _ in range(3):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert (await answer_of(reader)).status == 200
            writer.close()

    run(story)
    assert len({each.id for each in read(tmp_path / "traffic.jsonl")}) == 3
