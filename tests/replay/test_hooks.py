"""Hooks run for real: commands by sh, requests to a service on loopback."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from shadow.errors import ConfigError, UnfinishedError
from shadow.masking import Masker
from shadow.replay.hooks import MAX_LOG, Hook, HookLog, Hooks, SideHooks, around
from shadow.sending.commands import MAX_OUTPUT, output_of
from shadow.sending.target import Target, parse_target
from tests.sending.service import answering, serve

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
BAD = b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno"


def target(port: int = 1) -> Target:
    return parse_target(f"http://127.0.0.1:{port}", side="baseline", name="go", option="--go")


def hooks(
    tmp_path: Path, *, timeout_s: float = 10, at: Target | None = None, **each: Hook
) -> Hooks:
    log = HookLog(str(tmp_path / "log"), Masker())
    side = SideHooks(target=at or target(), hooks=each, timeout_s=timeout_s)  # type: ignore[arg-type]  # the names are moments
    return Hooks([side], log)


def shell(script: str) -> Hook:
    return Hook(command=("sh", "-c", script))


def test_a_command_knows_what_it_is_run_for_and_its_output_is_kept_masked(tmp_path: Path) -> None:
    said = shell("echo $SHADOW_HOOK $SHADOW_SIDE $SHADOW_TARGET $SHADOW_SESSION; echo token=s3cr3t")
    asyncio.run(hooks(tmp_path, before_session=said).run("before_session", session="u-1"))
    kept = (tmp_path / "log").read_text("utf-8")
    assert "before_session of go\n  before_session baseline http://127.0.0.1:1 u-1\n" in kept
    assert "s3cr3t" not in kept
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_command_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnfinishedError, match=r"hook reset of go: sh ended with exit code 3"):
        asyncio.run(hooks(tmp_path, reset=shell("echo why >&2; exit 3")).run("reset"))
    assert "why" in (tmp_path / "log").read_text("utf-8")


def test_a_command_that_takes_too_long_ends_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    stuck = shell(f"sleep 600 & echo $! > {pids}; echo $$ >> {pids}; wait")
    with pytest.raises(UnfinishedError, match=r"took more than 0\.5 s"):
        asyncio.run(hooks(tmp_path, timeout_s=0.5, reset=stuck).run("reset"))
    for pid in pids.read_text("utf-8").split():
        stat = Path(f"/proc/{pid}/stat")
        assert not stat.exists() or stat.read_text("utf-8").rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize("script", ["sleep 30 & echo $! > pid", "echo $$ > pid; exec sleep 30"])
def test_a_child_that_holds_the_output_ends_with_the_command(tmp_path: Path, script: str) -> None:
    command = ["sh", "-c", f"cd {tmp_path}; {script}"]
    assert asyncio.run(output_of(command, timeout_s=0.5)).code is None
    stat = Path("/proc") / (tmp_path / "pid").read_text("utf-8").strip() / "stat"
    until = time.monotonic() + 10
    while stat.exists() and stat.read_text("utf-8").rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_child_in_a_group_of_its_own_is_not_waited_for() -> None:
    began = time.monotonic()
    away = ["sh", "-c", "setsid sleep 15 & wait"]
    assert asyncio.run(output_of(away, timeout_s=0.5)).code is None
    assert time.monotonic() - began < 10


def test_what_cannot_be_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot run '/no/such/thing'"):
        asyncio.run(hooks(tmp_path, reset=Hook(command=("/no/such/thing",))).run("reset"))


def test_output_without_end_is_bounded() -> None:
    script = f"import sys; sys.stdout.write('x' * {3 * MAX_OUTPUT}); print('end')"
    done = asyncio.run(output_of([sys.executable, "-c", script], timeout_s=30))
    assert done.code == 0
    assert len(done.text) == MAX_OUTPUT
    assert done.text.endswith("end\n")


@pytest.mark.parametrize(("answer", "fault"), [(OK, ""), (BAD, "was answered 500")])
def test_a_request_is_sent_to_the_target(tmp_path: Path, answer: bytes, fault: str) -> None:
    async def run() -> str:
        async with serve(answering(answer)) as service:
            reset = Hook(request=("POST", "/admin/reset"))
            try:
                await hooks(tmp_path, at=service.target(), reset=reset).run("reset")
            except UnfinishedError as error:
                return error.message
        return ""

    assert fault in asyncio.run(run())
    assert f"POST /admin/reset: {500 if fault else 204}" in (tmp_path / "log").read_text("utf-8")


def test_a_service_that_is_not_there_is_named(tmp_path: Path) -> None:
    reset = Hook(request=("POST", "/reset"))
    with pytest.raises(UnfinishedError, match="reset of go: POST /reset got no answer: connect"):
        asyncio.run(hooks(tmp_path, reset=reset).run("reset"))


@pytest.mark.parametrize("request_", [("POST", "/a b"), ("CONNECT", "/x"), ("POST", "/\u4e00")])
def test_a_request_that_cannot_be_sent_is_named(tmp_path: Path, request_: tuple[str, str]) -> None:
    with pytest.raises(UnfinishedError, match=r"hook reset of go: .* cannot be sent"):
        asyncio.run(hooks(tmp_path, reset=Hook(request=request_)).run("reset"))


def test_a_run_has_its_before_and_its_after_whatever_happens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = {name: shell(f"echo {name} >> {tmp_path}/order") for name in ("before_run", "after_run")}
    made = hooks(tmp_path, before_run=note["before_run"], after_run=note["after_run"])
    with pytest.raises(ZeroDivisionError), around(made, writes=True, resumed=False):
        raise ZeroDivisionError
    assert (tmp_path / "order").read_text("utf-8").split() == ["before_run", "after_run"]
    assert "no reset is given for go" in capsys.readouterr().err
    with around(made, writes=True, resumed=True):
        pass
    assert (tmp_path / "order").read_text("utf-8").split()[2:] == ["after_run"]


def test_the_log_is_bounded(tmp_path: Path) -> None:
    log = HookLog(str(tmp_path / "log"), Masker())
    for _ in range(40):
        log.write("reset of go", "x " * 500 + "\n" + ("y " * 400 + "\n") * 60)
    assert (tmp_path / "log").stat().st_size <= MAX_LOG + 100 * 40


def test_withheld_values_are_in_no_log(tmp_path: Path) -> None:
    HookLog(str(tmp_path / "log"), Masker(withhold=True)).write("reset of go", "anything")
    assert (tmp_path / "log").read_text("utf-8") == "reset of go\n"
