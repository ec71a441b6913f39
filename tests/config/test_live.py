from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shadow.captures.redact import Rule
from shadow.config.live import record_plan, sidecar_plan
from shadow.errors import ConfigError, ShadowError
from shadow.rollout.routes import TOKEN_VARIABLE
from shadow.sidecar.plans import SessionKey

GO, RUST = "http://127.0.0.1:8080", "http://127.0.0.1:8081"
TOKEN = "0123456789abcdef"
SIDECAR: dict[str, Any] = {
    "admin": None,
    "admin_host": (),
    "admin_token_file": None,
    "allow_writes": False,
    "baseline": GO,
    "candidate": RUST,
    "concurrency": 64,
    "config": None,
    "drain": "25s",
    "events": None,
    "flags": None,
    "go_version": None,
    "keep_windows": 48,
    "listen": "127.0.0.1:8000",
    "no_values": False,
    "noise": "off",
    "noise_profile": None,
    "queue": 1024,
    "queue_bytes": "64MiB",
    "connect_rate": 100,
    "rust_version": None,
    "sample": 1.0,
    "secondary": None,
    "session": None,
    "status": "0.0.0.0:9464",
    "store": "store.sqlite",
    "timeout": "30s",
    "traces": False,
    "window": "1h",
}
RECORD: dict[str, Any] = {
    "config": None,
    "drain": "25s",
    "keep_files": None,
    "listen": "127.0.0.1:8000",
    "out": "traffic.jsonl.gz",
    "redact_key": None,
    "encrypt_to": (),
    "rotate_after": None,
    "rotate_bytes": None,
    "session": None,
    "status": "off",
    "timeout": "30s",
    "upstream": GO,
}
ISOLATED = "[targets.candidate]\nisolated = true\n"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


def plan(command: str = "proxy", text: str = "", **flags: Any) -> Any:
    """The plan of a command by its flags and the text of shadow.toml."""
    if text:
        Path("shadow.toml").write_text(text, "utf-8")
    if command == "record":
        return record_plan({**RECORD, **flags})
    return sidecar_plan(command, {**SIDECAR, **flags})


def refused(*words: Any, **flags: Any) -> tuple[str, str]:
    with pytest.raises(ShadowError) as error:
        plan(*words, **flags)
    assert isinstance(error.value, ConfigError)
    assert error.value.hint
    return error.value.message, error.value.hint


def test_what_the_flags_say() -> None:
    found = plan(
        timeout="1500ms",
        queue=7,
        queue_bytes="1MiB",
        connect_rate=50,
        concurrency=3,
        window="90s",
        drain="5s",
        sample=0.5,
        session="header:X-User",
        rust_version="1.4.2",
        flags="flags.json",
        events="-",
        noise="twice",
        keep_windows=2,
        secondary="http://127.0.0.1:8082",
    )
    assert (found.listen, found.status, found.admin) == (
        ("127.0.0.1", 8000),
        ("0.0.0.0", 9464),
        None,
    )
    assert (found.baseline.url, found.candidate.url) == (GO, RUST)
    assert found.secondary.url == "http://127.0.0.1:8082"
    assert found.baseline.keep_host
    assert found.candidate.keep_host
    assert found.secondary.keep_host
    assert (found.limits.timeout_s, found.limits.connections) == (1.5, 3)
    assert (found.mirror.queue, found.mirror.queue_bytes, found.mirror.in_flight) == (7, 1 << 20, 3)
    assert found.mirror.connect_rate == 50
    assert (found.room.window_s, found.drain_s, found.sample) == (90, 5, 0.5)
    assert found.session == SessionKey(where="header", name="x-user")
    assert (found.version, found.flags, found.events) == ("1.4.2", "flags.json", "-")
    assert (found.noise_twice, found.keep_windows) == (True, 2)
    assert found.info.command == "proxy"
    assert found.info.options["window"] == "90s"
    assert found.info.candidate_build.version == "1.4.2"


def test_the_second_go_service_is_asked_in_the_way_of_the_first() -> None:
    text = """
[targets.baseline]
host = "api.test"
drop_headers = ["x-trace"]
paths = { "/v1/" = "/api/v1/" }
set_query = { key = "k" }
"""
    found = plan(text=text, secondary="http://127.0.0.1:8082")
    assert found.secondary == replace(
        found.baseline, name="secondary", port=8082, denied=found.secondary.denied
    )
    assert found.secondary.host_header == "api.test"


def test_windows_of_one_pair_share_a_digest() -> None:
    first, again, other = plan(), plan(window="1d"), plan(candidate="http://127.0.0.1:1")
    assert first.info.digest == again.info.digest != other.info.digest
    assert plan("sink").info.digest != first.info.digest


@pytest.mark.parametrize("off", ["off", "", None])
def test_a_port_can_be_off(off: str | None) -> None:
    assert plan(status=off).status is None
    assert plan("record", status=off).status is None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"listen": "8000"}, "--listen 8000: is not HOST:PORT"),
        ({"listen": "off"}, "--listen off: is not HOST:PORT"),
        ({"status": "localhost"}, "--status localhost: is not HOST:PORT"),
        ({"status": "0.0.0.0:99999"}, "--status 0.0.0.0:99999: bad port 99999"),
        ({"timeout": "30"}, "--timeout 30: is no duration"),
        ({"window": "1w"}, "--window 1w: is no duration"),
        ({"drain": "0s"}, "--drain 0s: is no duration"),
        ({"queue_bytes": "lots"}, "--queue-bytes lots: is no size"),
        ({"session": "sid"}, "--session sid: is not cookie:NAME or header:NAME"),
        ({"baseline": None}, "no baseline service is given"),
        ({"candidate": "127.0.0.1:80"}, "--rust: no scheme in "),
        ({"noise_profile": "missing.json"}, ""),
    ],
)
def test_wrong_flags_are_named(flags: dict[str, Any], said: str) -> None:
    message, _ = refused(**flags)
    assert message.startswith(said)


# The admin port


def test_the_admin_port_has_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    found = plan(admin="127.0.0.1:9465", admin_host=("shadow.test",)).admin
    assert (found.address, found.token, found.hosts) == (
        ("127.0.0.1", 9465),
        TOKEN,
        ("shadow.test",),
    )
    Path("token").write_text("f" * 20 + "\n")
    assert plan(admin="127.0.0.1:9465", admin_token_file="token").admin.token == "f" * 20


@pytest.mark.parametrize("given", ["", "  "])
def test_an_admin_port_without_a_token_is_refused(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, given)
    message, hint = refused(admin="127.0.0.1:9465")
    assert message == "--admin: there is no token for it"
    assert TOKEN_VARIABLE in hint
    assert "--admin-token-file" in hint


def test_a_bad_token_is_refused_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "s3cr3t")
    message, _ = refused(admin="127.0.0.1:9465")
    assert "16 to" in message
    assert "s3cr3t" not in message
    message, _ = refused(admin="127.0.0.1:9465", admin_token_file="missing")
    assert message == "token file missing: No such file or directory"


# Writes


def test_writes_need_an_isolated_candidate() -> None:
    message, hint = refused(text="# note\n[targets.candidate]\nname = 'rs'\n", allow_writes=True)
    assert message == "--allow-writes: shadow.toml:2: the candidate is not marked isolated".replace(
        "shadow.toml", str(Path.cwd() / "shadow.toml")
    )
    assert "isolated = true under [targets.candidate]" in hint
    assert plan(text=ISOLATED, allow_writes=True).safety.allow_writes
    assert not plan(text=ISOLATED).safety.allow_writes


def test_a_sink_writes_to_both() -> None:
    message, hint = refused("sink", ISOLATED, allow_writes=True)
    assert message.endswith(": the baseline is not marked isolated")
    assert "[targets.baseline]" in hint
    both = ISOLATED + "[targets.baseline]\nisolated = true\n"
    assert plan("sink", both, allow_writes=True).safety.allow_writes


def test_without_a_file_it_is_named_where_to_mark() -> None:
    message, _ = refused(allow_writes=True)
    assert message == "--allow-writes: shadow.toml: the candidate is not marked isolated"


# The file


@pytest.mark.parametrize("flag", ["baseline", "candidate", "secondary"])
def test_a_host_that_must_never_be_a_target_is_none(flag: str) -> None:
    never = '[safety]\nnever = ["api.test"]\n'
    message, _ = refused(text=never, **{flag: "http://api.test"})
    assert "api.test" in message


def test_a_recorder_has_no_such_target_either() -> None:
    message, _ = refused("record", '[safety]\nnever = ["api.test"]\n', upstream="http://api.test")
    assert "api.test" in message


@pytest.mark.parametrize("key", ["http2 = true", 'proxy = "http://127.0.0.1:3128"'])
def test_clients_are_handed_on_directly(key: str) -> None:
    text = f"[targets.candidate]\n{key}\n"
    message, _ = refused(text=text)
    assert message.endswith("does not go with live traffic")
    assert "shadow.toml:2: targets.candidate." in message
    assert plan("sink", text).candidate.url == RUST


def test_guards() -> None:
    text = """
[guards]
max_divergence_rate = 0.01
alpha = 0.1
horizon = 1000
errors = false
latency_objective_ms = 250
latency_ms = { "GET /v1/items" = 50 }
"""
    guards = plan(text=text).guards
    assert (guards.max_divergence_rate, guards.alpha, guards.horizon) == (0.01, 0.1, 1000)
    assert guards.on == ("divergence", "latency")
    assert (guards.objective("GET /v1/items"), guards.objective("GET /x")) == (50, 250)
    Path("shadow.toml").unlink()
    assert plan().guards.max_divergence_rate == 0.001


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("max_divergence_rate = 0", "guards.max_divergence_rate"),
        ("max_divergence_rate = 1.5", "guards.max_divergence_rate"),
        ("alpha = 1", "guards.alpha"),
        ("horizon = 0", "guards.horizon"),
        ('errors = "yes"', "guards.errors"),
        ("latency_objective_ms = -1", "guards.latency_objective_ms"),
        ('latency_ms = { "GET /x" = 0 }', "guards.latency_ms"),
        ('latency_ms = { "GET /x" = "fast" }', "guards.latency_ms"),
        ("max_divergence = 0.1", "unknown key guards.max_divergence"),
    ],
)
@pytest.mark.parametrize("command", ["proxy", "record"])
def test_wrong_guards_name_file_and_line(line: str, what: str, command: str) -> None:
    message, _ = refused(command, f"# a note\n[guards]\n{line}\n")
    assert f"shadow.toml:3: {what}" in message


def test_what_is_redacted() -> None:
    text = """
[redact]
headers = ["X-Card"]
query = ["pin"]
form = ["iban"]
json = ["pin", "$.user.pin", "$.cards[*].pan"]
keep_cookies = ["theme"]
detect = ["email", "iban"]

[[redact.rules]]
detect = "email"
keep_format = true

[[redact.rules]]
pattern = "customer-([0-9]+)"
action = "drop"
"""
    found = plan("record", text).redaction
    assert found.detect == ("email", "iban")
    assert found.rules == (
        Rule(where="detect", what="email", keep_format=True),
        Rule(where="pattern", what="customer-([0-9]+)", action="drop"),
    )
    assert (found.headers, found.query, found.form) == (("X-Card",), ("pin",), ("iban",))
    assert found.json == ("pin", "$.user.pin", "$.cards[*].pan")
    assert found.keep_cookies == ("theme",)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('json = ["pin", "$.a["]', "redact json: '$.a[' is no path to a member"),
        ('json = "pin"', "redact.json: "),
        ("headers = [1]", "redact.headers"),
        ('cookies = ["x"]', "unknown key redact.cookies"),
        ('detect = ["mail"]', "redact.detect"),
        ('rules = [{action = "drop"}]', "a rule names nothing to redact"),
        ('rules = [{header = "a", query = "b"}]', "a rule names several things to redact"),
        ('rules = [{header = ""}]', "header is empty"),
        ('rules = [{pattern = "("}]', "'(' is no pattern: missing )"),
        ('rules = [{detect = "mail"}]', "there is no detector 'mail'"),
        ('rules = [{json = "$.a["}]', "is no path to a member"),
        ('rules = [{query = "a", action = "mask", keep_format = true}]', "keep_format is for the"),
    ],
)
def test_wrong_redaction_names_file_and_line(line: str, said: str) -> None:
    message, _ = refused("record", f"\n\n[redact]\n{line}\n")
    assert "shadow.toml:4: " in message
    assert said in message


# Recording


def test_what_a_recorder_goes_by() -> None:
    found = plan("record", rotate_bytes="100MiB", rotate_after="1h", keep_files=3, redact_key="key")
    assert (found.rotate_bytes, found.rotate_s, found.keep_files) == (100 << 20, 3600, 3)
    assert (found.upstream.url, found.upstream.keep_host) == (GO, True)
    assert (found.out, found.redact_key) == ("traffic.jsonl.gz", "key")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"keep_files": 3}, "--keep-files without rotation"),
        ({"rotate_bytes": "big"}, "--rotate-bytes big: is no size"),
        ({"rotate_after": "1"}, "--rotate-after 1: is no duration"),
        ({"upstream": "go"}, "--upstream: no scheme in go"),
    ],
)
def test_wrong_flags_of_a_recorder_are_named(flags: dict[str, Any], said: str) -> None:
    message, _ = refused("record", **flags)
    assert message.startswith(said)
