from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from shadow.cli import group
from shadow.config.file import load
from shadow.config.live import sidecar_plan
from shadow.sidecar.canary.flagd import Flags

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service.get("build") == "."]
BUILT = [name for name, service in SERVICES.items() if "build" in service]
CONFINED = ["shadow-proxy", "load", "prometheus", "grafana"]
TAGGED = re.compile(r"[a-z0-9./-]+:[a-zA-Z0-9._-]+")
EXACT = re.compile(r"v?\d+\.\d+\.\d+")
each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
each_built = pytest.mark.parametrize("service", [SERVICES[name] for name in BUILT], ids=BUILT)
each_of_ours = pytest.mark.parametrize("service", [SERVICES[name] for name in OURS], ids=OURS)
each_confined = pytest.mark.parametrize("name", CONFINED)


def dockerfile(service: dict[str, Any]) -> str:
    path: Path = ROOT / service["build"] / "Dockerfile"
    return path.read_text("utf-8")


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """What is mounted where, by the place in the container."""
    pairs = [volume.split(":") for volume in service.get("volumes", [])]
    return {pair[1]: pair[0] for pair in pairs}


def given(service: dict[str, Any]) -> dict[str, Any]:
    """The options of the command of shadow that a service runs, as it takes them."""
    name, *arguments = service["command"]
    command = group.get_command(click.Context(group), name)
    assert command is not None
    return command.make_context(name, arguments).params


def test_the_file_is_what_compose_takes() -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [program, "--builtin-schema", "vendor.compose-spec", FILE],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_parts_are_there_and_a_replay_is_run_only_when_asked() -> None:
    assert list(SERVICES) == ["go", "go-secondary", "rust", *CONFINED, "shadow"]
    assert [name for name in SERVICES if "profiles" in SERVICES[name]] == ["shadow"]


@each_service
def test_ports_are_open_on_this_machine_only(service: dict[str, Any]) -> None:
    for port in service.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:[0-9]+:[0-9]+", port)


def test_the_services_are_where_the_pages_say() -> None:
    published = {name: service.get("ports") for name, service in SERVICES.items()}
    assert published == {
        "go": ["127.0.0.1:8080:8080"],
        "go-secondary": ["127.0.0.1:8082:8080"],
        "rust": ["127.0.0.1:8081:8080"],
        "shadow-proxy": ["127.0.0.1:8000:8000", "127.0.0.1:9464:9464", "127.0.0.1:9465:9465"],
        "load": None,
        "prometheus": ["127.0.0.1:9090:9090"],
        "grafana": ["127.0.0.1:3000:3000"],
        "shadow": None,
    }
    for name in ("go", "go-secondary", "rust"):
        assert SERVICES[name]["environment"]["ADDR"] == "0.0.0.0:8080"


@each_built
def test_images_are_pinned_and_do_not_run_as_root(service: dict[str, Any]) -> None:
    text = dockerfile(service)
    stages = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert [image for image in [*stages, service["image"]] if not TAGGED.fullmatch(image)] == []
    assert not any(image.endswith(":latest") for image in stages)
    last = text[text.rindex("\nFROM ") :]
    assert stages[-1].endswith(":nonroot") or re.search(r"^USER (?!root|0)", last, re.MULTILINE)


@each_service
def test_images_of_others_are_of_one_release(service: dict[str, Any]) -> None:
    _, _, tag = service["image"].rpartition(":")
    assert EXACT.fullmatch(tag)


@each_built
def test_what_an_image_copies_is_in_its_context(service: dict[str, Any]) -> None:
    context = ROOT / service["build"]
    ignored = (context / ".dockerignore").read_text("utf-8").splitlines()
    assert ignored[0] == "*"
    sent = {path.name for line in ignored if line[:1] == "!" for path in context.glob(line[1:])}
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile(service), re.MULTILINE):
        for pattern in line.split():
            found = {path.name for path in context.glob(pattern)}
            assert found, pattern
            assert found <= sent, pattern


def test_the_image_installs_what_is_locked() -> None:
    text = dockerfile(SERVICES["shadow"])
    installs = re.findall(r"\bpip (?:--\S+ \S+ )?install (?:[^&\\]|\\\n)+", text)
    assert len(installs) == 2
    for install in installs:
        assert "--require-hashes" in install
        assert "--constraint requirements.lock" in install
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert all(SERVICES[name]["image"].endswith(f":{version[1]}") for name in BUILT)


def test_the_image_has_the_extras_that_the_project_has() -> None:
    (extras,) = re.findall(r"shadow-traffic\[([a-z,]+)\]", dockerfile(SERVICES["shadow"]))
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    for extra in extras.split(","):
        assert re.search(rf"^{extra} = \[$", project, re.MULTILINE), extra


def test_the_image_says_which_ports_others_may_use() -> None:
    (exposed,) = re.findall(r"^EXPOSE (.+)$", dockerfile(SERVICES["shadow"]), re.MULTILINE)
    proxy = given(SERVICES["shadow-proxy"])
    ports = [proxy[option].rpartition(":")[2] for option in ("listen", "status")]
    assert exposed.split() == ports


# What shadow is told to do


@each_of_ours
def test_commands_parse_and_ask_services_that_are_there(service: dict[str, Any]) -> None:
    hosts = {
        name: value.removeprefix("http://").partition(":")[0]
        for name, value in given(service).items()
        if isinstance(value, str) and value.startswith("http://")
    }
    assert hosts
    assert set(hosts.values()) == set(service["depends_on"])


@each_of_ours
def test_files_that_commands_name_are_mounted(service: dict[str, Any]) -> None:
    places = mounts(service)
    named = re.findall(r"/(?:captures|config|flags)/\S+", " ".join(service["command"]))
    assert named
    for file in map(Path, named):
        assert (ROOT / places[str(file.parent)] / file.name).is_file(), file


@each_of_ours
def test_results_are_kept_where_the_image_keeps_them(service: dict[str, Any]) -> None:
    kept = mounts(service).get("/results")
    if kept is None:
        assert any(path.startswith("/results:uid=10001") for path in service["tmpfs"])
    else:
        assert kept in COMPOSE["volumes"]


def test_the_replay_asks_both_services() -> None:
    replay = given(SERVICES["shadow"])
    assert [replay["baseline"], replay["candidate"]] == ["http://go:8080", "http://rust:8080"]


def test_the_proxy_can_begin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All of it but the network: options, config, flags and token fit together."""
    options = given(SERVICES["shadow-proxy"])
    config = ROOT / mounts(SERVICES["shadow-proxy"])["/config"] / "shadow.toml"
    options |= {"config": str(config), "store": str(tmp_path / "shadow.sqlite")}
    monkeypatch.setenv("SHADOW_ADMIN_TOKEN", "0123456789abcdef")
    plan = sidecar_plan("proxy", options)
    assert plan.listen == ("0.0.0.0", 8000)
    assert plan.status == ("0.0.0.0", 9464)
    flags = ROOT / mounts(SERVICES["shadow-proxy"])["/flags"] / Path(str(plan.flags)).name
    every, problems = Flags(flags.read_bytes()).of("GET /v1/items")
    assert not problems
    assert (every.rust_enabled, every.rust_percent) == (True, 0)


def test_the_proxy_groups_requests_as_the_replay_does() -> None:
    live = load(str(ROOT / "deploy" / "compose" / "shadow.toml"))
    replayed = load(str(ROOT / "replay_data" / "shadow.toml"))
    assert (live.endpoints, live.safety) == (replayed.endpoints, replayed.safety)


def test_no_token_stands_in_the_file() -> None:
    """Without a value it is taken from the shell, or from `.env`."""
    assert SERVICES["shadow-proxy"]["environment"] == {"SHADOW_ADMIN_TOKEN": None}


def test_the_load_is_the_recorded_traffic_through_the_proxy_at_a_bounded_rate() -> None:
    load_options = given(SERVICES["load"])
    assert load_options["baseline"] == "recorded"
    assert load_options["candidate"] == "http://shadow-proxy:8000"
    assert 0 < load_options["rate"] <= 100
    assert SERVICES["load"]["restart"] == "unless-stopped"


# What it may do to the machine


@each_confined
def test_a_part_cannot_write_or_become_more_than_it_is(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    for place, source in mounts(service).items():
        if source.startswith("."):
            assert f"{source}:{place}:ro" in service["volumes"]
            assert (ROOT / source).exists()


@each_confined
def test_a_part_is_bounded_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert service["mem_limit"] == "512m"
    assert service["cpus"] == 1
    assert service["restart"] in {"unless-stopped", "on-failure:10"}


def test_health_is_asked_where_it_is_told() -> None:
    for name in ("shadow-proxy", "prometheus", "grafana"):
        (url,) = re.findall(
            r"http://127\.0\.0\.1:(\d+)(/[\w/-]+)", str(SERVICES[name]["healthcheck"])
        )
        assert url[0] in {port.rpartition(":")[2] for port in SERVICES[name]["ports"]}
    assert "/-/readyz" in str(SERVICES["shadow-proxy"]["healthcheck"])


def test_a_part_that_waits_for_health_waits_for_one_that_has_it() -> None:
    for service in SERVICES.values():
        waited = service.get("depends_on", {})
        for name in waited if isinstance(waited, dict) else ():
            assert waited[name] == {"condition": "service_healthy"}
            assert "healthcheck" in SERVICES[name]


def test_the_proxy_has_longer_to_stop_than_it_drains() -> None:
    service = SERVICES["shadow-proxy"]
    drain_s = float(given(service)["drain"].removesuffix("s"))
    assert drain_s < float(service["stop_grace_period"].removesuffix("s"))


def test_nobody_can_log_in_to_grafana() -> None:
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert environment["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
