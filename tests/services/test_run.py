from __future__ import annotations

import gzip
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services import run, traffic
from shadow.errors import UnfinishedError

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

Ask = Callable[..., tuple[int, bytes]]
BUILD = Path(__file__).parents[2] / "services" / "build.sh"


@pytest.mark.parametrize(
    ("binary", "name", "value"),
    [
        (run.RUST, "DEFECTS", "stuck,stukc"),
        (run.RUST, "SEED", "-1"),
        (run.RUST, "TOKENS", "radnom"),
        (run.RUST, "TOKEN_TTL_S", "0"),
        (run.GO, "TOKEN_TTL_S", "0"),
        (run.GO, "TOKEN_TTL_S", "1h"),
        (run.GO, "SEED", "-1"),
        (run.GO, "IDS", "radnom"),
        (run.GO, "ADDR", "127.0.0.1:99999"),
        (run.RUST, "ADDR", "127.0.0.1:99999"),
    ],
)
def test_a_wrong_variable_stops_the_start_with_one_line(
    binary: Path, name: str, value: str
) -> None:
    with (
        pytest.raises(UnfinishedError, match="did not start: catalogue: ") as caught,
        run.running(binary, {name: value}),
    ):
        pass
    assert any(part in caught.value.message for part in (name, value))
    assert "\n" not in caught.value.message


def test_a_service_that_is_not_built_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(UnfinishedError, match="go-catalogue does not exist") as caught,
        run.running(tmp_path / "go-catalogue"),
    ):
        pass
    assert caught.value.hint == "run services/build.sh"


@pytest.mark.parametrize("binary", [run.GO, run.RUST], ids=["go", "rust"])
@pytest.mark.parametrize("flag", ["-addr", "--addr"])
def test_the_address_flag_wins_over_the_variable(binary: Path, flag: str) -> None:
    environment = {**os.environ, "ADDR": "127.0.0.1:1"}
    with subprocess.Popen(
        [binary, flag, "127.0.0.1:0"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()
        assert process.wait(5) == 0
    assert line.startswith("listening on 127.0.0.1:")


def test_a_stuck_request_does_not_hold_up_the_end(ask: Ask) -> None:
    with run.running(run.RUST, {"DEFECTS": "stuck"}) as service:
        with pytest.raises(TimeoutError):
            ask(service.url, "GET", "/v1/search?q=obsidian", timeout_s=0.2)
        began = time.monotonic()
    assert time.monotonic() - began < run.STOP_TIMEOUT_S


def test_build_names_a_missing_toolchain(tmp_path: Path) -> None:
    for tool in ("bash", "dirname", "mkdir"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    done = subprocess.run(
        [BUILD, tmp_path / "out"],
        check=False,
        capture_output=True,
        env={"PATH": str(tmp_path)},
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "services/build.sh: go is not installed; get it from https://go.dev/dl\n"


def test_a_capture_holds_what_was_sent_and_answered(tmp_path: Path) -> None:
    out = tmp_path / "catalogue.jsonl.gz"
    with run.running(run.GO) as service:
        assert traffic.record(url=service.url, exchanges=300, seed=1, out=out, exports=1) == 300
    with gzip.open(out, "rt", encoding="utf-8") as lines:
        exchanges = [json.loads(line) for line in lines]
    assert [exchange["id"] for exchange in exchanges] == [f"x{n:06}" for n in range(1, 301)]
    times = [exchange["ts"] for exchange in exchanges]
    assert times == sorted(times)
    first_of_session = {exchange["session"]: exchange for exchange in reversed(exchanges)}
    assert len(first_of_session) == 300 // traffic.EXCHANGES_PER_SESSION
    for exchange in first_of_session.values():
        assert exchange["request"]["target"] == "/v1/login"
    assert all("response" in exchange for exchange in exchanges)
    assert any("body_base64" in exchange["response"] for exchange in exchanges)
    assert "{" not in "".join(exchange["request"]["target"] for exchange in exchanges)
    assert list(tmp_path.iterdir()) == [out]


def test_a_wrong_url_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnfinishedError, match="no service answers"):
        traffic.record(url="http://127.0.0.1:9", exchanges=5, seed=1, out=tmp_path / "x.jsonl")
    assert list(tmp_path.iterdir()) == []
