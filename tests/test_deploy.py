"""The manifests are read back, and the commands they run are parsed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import yaml

from shadow.cli import group
from shadow.results.gates.verdicts import GateResult, GateVerdict
from shadow.sidecar.admin import VALUES, Admin

FOLDER = Path(__file__).parents[1] / "deploy" / "kubernetes"
JOB = FOLDER / "replay-job.yaml"


def test_the_job_runs_a_command_that_exists_and_runs_it_once() -> None:
    job: dict[str, Any] = yaml.safe_load(JOB.read_text("utf-8"))
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    name, *arguments = container["args"]
    command = group.get_command(click.Context(group), name)
    assert command is not None
    command.make_context(name, arguments)
    assert job["spec"]["backoffLimit"] == 0
    assert pod["restartPolicy"] == "Never"


def test_the_job_runs_without_privileges() -> None:
    pod = yaml.safe_load(JOB.read_text("utf-8"))["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}


def read(name: str) -> list[Any]:
    return list(yaml.safe_load_all((FOLDER / name).read_text("utf-8")))


def test_the_port_is_served_by_a_command_that_exists_and_without_privileges() -> None:
    deployment, service, network = read("serve.yaml")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    name, *arguments = container["args"]
    command = group.get_command(click.Context(group), name)
    assert command is not None
    given = command.make_context(name, arguments).params
    port = int(given["listen"].rpartition(":")[2])
    assert [each["port"] for each in service["spec"]["ports"]] == [port]
    assert network["spec"]["ingress"][0]["ports"] == [{"port": port}]
    assert container["readinessProbe"]["httpGet"] == {"path": "/-/healthz", "port": port}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    folders = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {str(Path(given["store"]).parent), str(Path(given["config"]).parent)} <= folders


def answer(url: str, verdict: GateVerdict) -> str:
    """What the port answers to a URL, whatever the host."""
    parts, sent = urlsplit(url), list[Mapping[str, Any]]()

    async def judge(phase: str, run: str) -> GateResult:
        assert (phase, run) == ("canary", "latest")
        return GateResult(phase=phase, run_id=run, verdict=verdict, criteria=())

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> Mapping[str, Any]:
        return {}

    query = parts.query.encode()
    scope = {"type": "http", "method": "GET", "path": parts.path, "query_string": query}
    asyncio.run(Admin(judge)(scope, receive, send))
    assert sent[0]["status"] == 200
    return str(sent[1]["body"].decode())


def test_argo_rollouts_asks_what_the_port_answers() -> None:
    (template,) = read("gate-argo-rollouts.yaml")
    (metric,) = template["spec"]["metrics"]
    web = metric["provider"]["web"]
    for each in template["spec"]["args"]:
        web["url"] = web["url"].replace("{{args." + each["name"] + "}}", each["value"])
    for verdict, value in VALUES.items():
        assert f'"value":{value},' in answer(web["url"], verdict)
    assert web["jsonPath"] == "{$.value}"
    assert metric["successCondition"] == f"result == {VALUES['pass']}"
    assert metric["failureCondition"] == f"result == {VALUES['fail']}"


def test_the_command_of_flagger_lets_a_pass_alone_through() -> None:
    (canary,) = read("gate-flagger.yaml")
    (hook,) = canary["spec"]["analysis"]["webhooks"]
    command = hook["metadata"]["cmd"]
    found = re.fullmatch(r"curl -fs '([^']+)' \| grep -q '([^']+)'", command)
    assert found is not None
    for verdict in VALUES:
        assert (found[2] in answer(found[1], verdict)) == (verdict == "pass")
