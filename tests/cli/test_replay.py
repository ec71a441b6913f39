"""`shadow replay` against the real services: what is sent, what is not, what is counted."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from services.run import Service
from shadow.results.store import Store
from tests.cli.program import (
    CAPTURE,
    CONFIG,
    Exchange,
    Shadow,
    add_up,
    events,
    exchange,
    runs,
    write,
)

READS = {"/v1/quote", "/v1/route", "/v1/login"}
"""Targets of POSTs that `replay_data/shadow.toml` lists as reads."""
NO_PATH_TO_GO = "/v1/items/%zz"
"""net/http refuses it before the service sees it, so the service does not count it."""


def answered(service: Service) -> int:
    """How many requests the service has answered, by its own count."""
    with urllib.request.urlopen(f"{service.url}/metrics") as answer:
        text = answer.read().decode()
    counts = re.findall(r'http_requests_total\{route="(.*?)".*?\} (\d+)', text)
    return sum(int(count) for route, count in counts if route != "GET /metrics")


@pytest.fixture
def sent(go: Service, rust: Service) -> Callable[[], tuple[int, int]]:
    """How many requests each service has had since the last time."""
    before = [answered(go), answered(rust)]

    def since() -> tuple[int, int]:
        now = answered(go), answered(rust)
        counts = now[0] - before[0], now[1] - before[1]
        before[:] = now
        return counts

    return since


def is_write(each: Exchange) -> bool:
    request = each["request"]
    read = request["method"] in {"GET", "HEAD", "OPTIONS"}
    return not read and not (request["method"] == "POST" and request["target"] in READS)


@pytest.mark.e2e
def test_every_exchange_ends_in_one_outcome(
    shadow: Shadow,
    tmp_path: Path,
    targets: list[str],
    recorded: list[Exchange],
    sent: Callable[[], tuple[int, int]],
) -> None:
    done = shadow("replay", CAPTURE, *targets, "--json", "--report", "json=again.json")
    summary = done.json
    writes = sum(map(is_write, recorded))
    assert done.code == summary["exit_code"] == 1
    assert summary["read"] == len(recorded) == 2000
    assert add_up(summary)
    assert summary["reasons"]["skipped"] == {"write": writes}
    uncounted = sum(each["request"]["target"] == NO_PATH_TO_GO for each in recorded)
    assert sent() == (2000 - writes - uncounted, 2000 - writes)
    assert summary["broken"] == 0
    assert f"skipped {writes}" in done.err
    assert json.loads((tmp_path / "again.json").read_bytes()) == summary

    logged = events(tmp_path)
    kinds = Counter(event["event"] for event in logged)
    assert kinds["shadow.run.started"] == kinds["shadow.run.finished"] == 1
    assert kinds["shadow.divergence"] == summary["divergences"]
    assert kinds["shadow.exchange.skipped"] == writes
    assert logged[-1]["event"] == "shadow.run.finished"
    assert {name: logged[-1][name] for name in logged[-1] if name in summary and name != "v"} == {
        name: summary[name] for name in logged[-1] if name in summary and name != "v"
    }


@pytest.mark.e2e
def test_writes_are_sent_when_they_are_allowed(
    shadow: Shadow, targets: list[str], sent: Callable[[], tuple[int, int]]
) -> None:
    only = ["--method", "POST", "--method", "patch", "--endpoint", "* /v1/items*"]
    done = shadow("replay", CAPTURE, *targets, *only, "--allow-writes", "--quiet", "--json")
    compared = done.json["read"] - done.json["skipped"]
    assert done.json["reasons"]["skipped"] == {"filtered": done.json["skipped"]}
    assert sent() == (compared, compared)
    assert compared == 65
    assert add_up(done.json)


@pytest.mark.e2e
def test_a_dry_run_sends_nothing(
    shadow: Shadow, tmp_path: Path, targets: list[str], sent: Callable[[], tuple[int, int]]
) -> None:
    done = shadow("replay", CAPTURE, *targets, "--dry-run")
    assert done.code == 0
    assert done.err == ""
    assert done.out.startswith("Nothing was sent.")
    assert "read 2,000 = send 1,931 + skip 69" in done.out
    assert "69  skipped: write (add --allow-writes" in done.out
    assert sent() == (0, 0)
    assert not (tmp_path / ".shadow").exists()


@pytest.mark.e2e
def test_go_against_itself_is_a_match(
    shadow: Shadow, go: Service, sent: Callable[[], tuple[int, int]]
) -> None:
    words = ["--go", go.url, "--rust", go.url, "--endpoint", "GET /v1/items*", "--limit", "300"]
    done = shadow("replay", CAPTURE, *words)
    assert done.code == 0
    assert done.err.startswith("MATCH  no divergence")
    assert sent()[1] == 0


@pytest.mark.e2e
def test_the_recording_can_stand_for_go(
    shadow: Shadow, rust: Service, sent: Callable[[], tuple[int, int]]
) -> None:
    words = ["--go", "recorded", "--rust", rust.url, "--config", CONFIG, "--limit", "300"]
    done = shadow("replay", CAPTURE, *words, "--quiet", "--json")
    assert done.code == 1
    assert done.json["incomparable"] == 0
    assert sent() == (0, 300 - done.json["skipped"])
    assert done.json["baseline"] == {"name": "go", "url": ""}


@pytest.mark.e2e
@pytest.mark.parametrize("asked", [["--noise", "twice"], ["--secondary", "{go}"]])
def test_what_go_itself_does_not_repeat_is_noise(
    shadow: Shadow, go: Service, targets: list[str], asked: list[str]
) -> None:
    asked = [word.format(go=go.url) for word in asked]
    only = ["--endpoint", "POST /v1/quote", "--noise-sample", "1"]
    done = shadow("replay", CAPTURE, *targets, *only, *asked, "--quiet", "--json")
    verdicts = {(each["path_pattern"], each["verdict"]) for each in done.json["findings"]}
    assert ("x-request-id", "noise") in verdicts
    assert ("$['served_at']", "noise") in verdicts
    assert add_up(done.json)


@pytest.mark.e2e
def test_noise_learned_once_is_used_again(
    shadow: Shadow, tmp_path: Path, go: Service, rust: Service
) -> None:
    only = ["--config", CONFIG, "--endpoint", "POST /v1/quote"]
    learned = shadow("noise", "learn", CAPTURE, "--go", go.url, *only, "--out", "noise.json")
    assert (learned.code, learned.err) == (0, "")
    assert "header x-request-id" in learned.out
    assert shadow("noise", "show", "noise.json").out == learned.out
    assert (tmp_path / "noise.json").stat().st_mode & 0o777 == 0o600
    words = ["--go", "recorded", "--rust", rust.url, *only, "--noise-profile", "noise.json"]
    done = shadow("replay", CAPTURE, *words, "--quiet", "--json")
    verdicts = {(each["path_pattern"], each["verdict"]) for each in done.json["findings"]}
    assert ("x-request-id", "noise") in verdicts


@pytest.mark.e2e
def test_the_environment_stands_between_flag_and_file(
    shadow: Shadow, tmp_path: Path, go: Service, rust: Service
) -> None:
    (tmp_path / "shadow.toml").write_text(
        '[targets.baseline]\nurl = "http://127.0.0.1:9"\nname = "${WHO}"\n'
        '[targets.candidate]\nurl = "http://127.0.0.1:9"\n'
    )
    few = ["replay", CAPTURE, "--limit", "3", "--quiet", "--json"]
    done = shadow(*few, SHADOW_REPLAY_BASELINE=go.url, SHADOW_REPLAY_CANDIDATE=rust.url, WHO="old")
    assert done.json["baseline"] == {"name": "old", "url": go.url}
    done = shadow(*few, "--go", go.url, "--rust", rust.url, SHADOW_REPLAY_BASELINE="x", WHO="old")
    assert done.json["baseline"]["url"] == go.url
    assert "old does not answer at http://127.0.0.1:9" in shadow(*few, WHO="old").err


# What a service may do to whoever asks it


@contextmanager
def a_service(*headers: tuple[str, str], status: int = 200) -> Iterator[tuple[str, list[Any]]]:
    """A service that answers everything alike, and the requests it had."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append((self.path, dict(self.headers)))
            self.send_response(status)
            for name, value in (*headers, ("Content-Length", "2")):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def replayed(shadow: Shadow, url: str, **environment: str) -> Any:
    words = ["--go", "recorded", "--rust", url, "--quiet", "--json", "--concurrency", "1"]
    return shadow("replay", "go.jsonl", *words, **environment).json


@pytest.mark.usefixtures("pair")
def test_redirects_are_not_followed(shadow: Shadow) -> None:
    with a_service(("Location", "/elsewhere"), status=302) as (url, asked):
        summary = replayed(shadow, url)
    assert [path for path, _ in asked] == ["/v1/items/1", "/v1/items/2", "/v1/items/3"]
    assert summary["divergent"] == 3


@pytest.mark.usefixtures("pair")
def test_cookies_are_not_kept(shadow: Shadow) -> None:
    with a_service(("Set-Cookie", "sid=1; Path=/")) as (url, asked):
        replayed(shadow, url)
    assert len(asked) == 3
    assert not any("Cookie" in headers for _, headers in asked)


@pytest.mark.usefixtures("pair")
def test_the_proxies_of_the_environment_are_not_used(shadow: Shadow, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("default login me password pw\n")
    dead = "http://127.0.0.1:9"
    names = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY")
    with a_service() as (url, asked):
        summary = replayed(shadow, url, **dict.fromkeys(names, dead), HOME=str(tmp_path))
    assert len(asked) == 3
    assert not any("Authorization" in headers for _, headers in asked)
    assert summary["incomparable"] == 0


@pytest.mark.usefixtures("pair")
def test_a_host_that_must_never_be_a_target(shadow: Shadow, tmp_path: Path) -> None:
    (tmp_path / "shadow.toml").write_text('[safety]\nnever = ["localhost"]\n')
    with a_service() as (url, asked):
        done = shadow("replay", "go.jsonl", "--go", "recorded", "--rust", url)
    assert done.code == 2
    assert "is on the list [safety] never: localhost" in done.err
    assert asked == []


# What is left out


def test_a_sample_is_of_whole_sessions_and_repeatable(shadow: Shadow, tmp_path: Path) -> None:
    def kept(*words: object) -> dict[str, set[bool]]:
        """By session, whether its exchanges were kept."""
        shadow("diff", CAPTURE, CAPTURE, "--quiet", "--limit", "800", "--sample", "0.3", *words)
        sessions: dict[str, set[bool]] = {}
        with Store.open(tmp_path / ".shadow/shadow.sqlite") as store:
            for record in store.records(store.runs(limit=1)[0].id):
                whole = sessions.setdefault(str(record.session), set())
                whole.add(record.reason != "sampled-out")
        return sessions

    first = kept("--seed", "7")
    assert kept("--seed", "7") == first
    assert kept("--seed", "8") != first
    assert all(len(whole) == 1 for whole in first.values())
    share = sum(True in whole for whole in first.values()) / len(first)
    assert 0.15 < share < 0.45


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--method", "post"], lambda each: each["method"] == "POST"),
        (["--endpoint", "GET /v1/search"], lambda each: each["target"].startswith("/v1/search")),
        (["--exclude", "* /v1/*"], lambda each: not each["target"].startswith("/v1/")),
    ],
)
def test_a_selection(
    shadow: Shadow,
    recorded: list[Exchange],
    words: list[str],
    wanted: Callable[[Any], bool],
) -> None:
    summary = shadow("diff", CAPTURE, CAPTURE, "--quiet", "--json", *words).json
    requests = [each["request"] for each in recorded]
    left = sum(not wanted(each) for each in requests)
    assert summary["read"] == 2000
    assert add_up(summary)
    assert summary["skipped"] == left == summary["reasons"]["skipped"]["filtered"]


def test_a_limit_and_the_options_of_a_run(shadow: Shadow) -> None:
    summary = shadow("diff", CAPTURE, CAPTURE, "--quiet", "--json", "--limit", "7").json
    assert summary["read"] == summary["match"] == 7
    assert runs(shadow)[0]["options"] == {"join": "id", "limit": 7, "sample": 1.0, "seed": 0}


def test_a_timeout_is_a_divergence(shadow: Shadow, tmp_path: Path) -> None:
    write(tmp_path / "go.jsonl", [exchange(1)])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        words = ["--go", "recorded", "--rust", url, "--timeout", "0.3", "--quiet", "--json"]
        done = shadow("replay", "go.jsonl", *words)
    assert done.code == 1
    (finding,) = done.json["findings"]
    assert (finding["where"], finding["kind"]) == ("transport", "no_answer")


@pytest.mark.usefixtures("pair")
def test_a_strict_replay_ends_at_a_broken_line(shadow: Shadow, tmp_path: Path) -> None:
    with (tmp_path / "go.jsonl").open("a") as capture:
        capture.write("{\n")
    with a_service() as (url, asked):
        words = ["replay", "go.jsonl", "--go", "recorded", "--rust", url, "--quiet"]
        strict = shadow(*words, "--strict")
        assert shadow(*words, "--json").json["broken"] == 1
    assert strict.code == 2
    assert strict.err.startswith("shadow: go.jsonl:4: ")
    assert [run["state"] for run in runs(shadow)] == ["finished", "failed"]
    assert len(asked) <= 6


@pytest.mark.usefixtures("pair")
def test_a_replay_onto_a_full_disk(shadow: Shadow) -> None:
    with a_service() as (url, _):
        words = ["replay", "go.jsonl", "--go", "recorded", "--rust", url, "--quiet"]
        done = shadow(*words, "--events", "/dev/full")
    assert done.code == 4
    assert done.err.startswith("shadow: cannot write events: No space left on device\n  hint: ")
    assert [run["state"] for run in runs(shadow)] == ["failed"]
