from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from shadow.cli import group

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
TAGGED = re.compile(r"[a-z0-9./-]+:[a-zA-Z0-9._-]+")
each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def dockerfile(service: dict[str, Any]) -> str:
    path: Path = ROOT / service["build"] / "Dockerfile"
    return path.read_text("utf-8")


def test_the_pair_a_second_go_and_the_replay_are_there() -> None:
    assert list(SERVICES) == ["go", "go-secondary", "rust", "shadow"]
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
        "shadow": None,
    }
    for name in ("go", "go-secondary", "rust"):
        assert SERVICES[name]["environment"]["ADDR"] == "0.0.0.0:8080"


@each_service
def test_images_are_pinned_and_do_not_run_as_root(service: dict[str, Any]) -> None:
    text = dockerfile(service)
    stages = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert [image for image in [*stages, service["image"]] if not TAGGED.fullmatch(image)] == []
    assert not any(image.endswith(":latest") for image in stages)
    last = text[text.rindex("\nFROM ") :]
    assert stages[-1].endswith(":nonroot") or re.search(r"^USER (?!root)", last, re.MULTILINE)


@each_service
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


def test_the_replay_is_a_command_that_parses() -> None:
    name, *arguments = SERVICES["shadow"]["command"]
    command = group.get_command(click.Context(group), name)
    assert command is not None
    given = command.make_context(name, arguments).params
    hosts = {given[side].removeprefix("http://") for side in ("baseline", "candidate")}
    assert hosts == {"go:8080", "rust:8080"}
    assert {host.partition(":")[0] for host in hosts} == set(SERVICES["shadow"]["depends_on"])


def test_the_replay_reads_what_is_mounted() -> None:
    volumes = dict(volume.split(":")[:2] for volume in SERVICES["shadow"]["volumes"])
    assert volumes == {"./replay_data": "/captures", "results": "/results"}
    assert "results" in COMPOSE["volumes"]
    named = [word.partition("=")[2] or word for word in SERVICES["shadow"]["command"]]
    files = [word.removeprefix("/captures/") for word in named if word.startswith("/captures/")]
    assert files
    assert [file for file in files if not (ROOT / "replay_data" / file).is_file()] == []


def test_the_image_installs_what_is_locked() -> None:
    text = dockerfile(SERVICES["shadow"])
    assert "--require-hashes" in text
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert all(service["image"].endswith(f":{version[1]}") for service in SERVICES.values())
