"""The manifests are read back, and the commands they run are parsed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import click
import kubernetes_validate  # type: ignore[import-untyped]  # it ships no types
import pytest
import yaml

from shadow.cli import group
from shadow.config.live import sidecar_plan
from shadow.metrics import Counters, Metrics
from shadow.results.gates.verdicts import GateResult, GateVerdict
from shadow.sidecar.canary.flagd import Flags
from shadow.sidecar.ports.gate import VALUES, gate_page
from shadow.sidecar.ports.status import Readiness, status_app

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
    status, body = asked(url, verdict)
    assert status == 200
    return body


def asked(url: str, verdict: GateVerdict = "pass") -> tuple[int, str]:
    """Status and body of the read-only port, once traffic is wanted."""
    parts, sent = urlsplit(url), list[Mapping[str, Any]]()

    async def judge(phase: str, run: str) -> GateResult:
        assert (phase, run) == ("canary", "latest")
        return GateResult(phase=phase, run_id=run, verdict=verdict, criteria=())

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> Mapping[str, Any]:
        return {}

    readiness = Readiness()
    readiness.start()
    app = status_app(readiness, metrics=Metrics(Counters()), gate=gate_page(judge))
    query = parts.query.encode()
    scope = {
        "type": "http",
        "method": "GET",
        "path": parts.path,
        "query_string": query,
        "headers": [],
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], sent[1]["body"].decode()


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


# The sidecar and the sink

MANIFESTS = sorted(FOLDER.glob("*.yaml"))
KUBERNETES = "1.33"
SIDECARS = ["proxy.yaml", "sink.yaml"]
each_sidecar = pytest.mark.parametrize("name", SIDECARS)


class Sidecar(NamedTuple):
    """A manifest of the sidecar, taken apart."""

    pod: dict[str, Any]
    container: dict[str, Any]
    kinds: dict[str, dict[str, Any]]

    def given(self) -> dict[str, Any]:
        name, *arguments = self.container["args"]
        command = group.get_command(click.Context(group), name)
        assert command is not None
        return command.make_context(name, arguments).params

    def ports(self) -> dict[str, int]:
        return {port["name"]: port["containerPort"] for port in self.container["ports"]}


def sidecar(name: str) -> Sidecar:
    kinds = {each["kind"]: each for each in read(name)}
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    containers = [*pod.get("initContainers", ()), *pod["containers"]]
    (container,) = [each for each in containers if each["name"] == "shadow"]
    return Sidecar(pod, container, kinds)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_kubernetes_takes_the_manifests(path: Path) -> None:
    for document in read(path.name):
        if document["apiVersion"].partition("/")[0] in {"argoproj.io", "flagger.app"}:
            continue  # kinds that are not Kubernetes' own
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


@each_sidecar
def test_ports_are_where_the_command_listens(name: str) -> None:
    found = sidecar(name)
    options = found.given()
    listening = {key: int(options[key].rpartition(":")[2]) for key in ("listen", "status")}
    assert found.ports() == {"live": listening["listen"], "status": listening["status"]}
    assert (options["admin"] or "127.0.0.1:0").startswith("127.0.0.1:")
    assert found.kinds["Service"]["spec"]["ports"][0]["targetPort"] == "live"


@each_sidecar
def test_probes_ask_what_the_read_only_port_answers(name: str) -> None:
    container = sidecar(name).container
    probes = {key: value for key, value in container.items() if key.endswith("Probe")}
    assert {"readinessProbe", "livenessProbe"} <= set(probes)
    for probe in probes.values():
        assert probe["httpGet"]["port"] == "status"
        assert asked(f"http://pod{probe['httpGet']['path']}")[0] == 200
    assert probes["readinessProbe"]["httpGet"]["path"] == "/-/readyz"
    # Not ready is no reason to be killed, and Go, which is started after it, is none to wait for.
    for key in {"livenessProbe", "startupProbe"} & set(probes):
        assert probes[key]["httpGet"]["path"] == "/-/healthz"


@each_sidecar
def test_every_container_is_restricted(name: str) -> None:
    """As https://kubernetes.io/docs/concepts/security/pod-security-standards/ has it."""
    pod = sidecar(name).pod
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        user = context.get("runAsUser", pod["securityContext"].get("runAsUser"))
        assert user > 0
        assert {"cpu", "memory"} == set(container["resources"]["requests"])
        assert {"memory"} == set(container["resources"]["limits"])


@each_sidecar
def test_there_is_time_to_drain(name: str) -> None:
    found = sidecar(name)
    waited_s = sum(
        each["lifecycle"]["preStop"]["sleep"]["seconds"]
        for each in found.pod["containers"]
        if "lifecycle" in each
    )
    drain_s = float(found.given()["drain"].removesuffix("s"))
    go_s = 3.0  # services/README.md
    assert waited_s + go_s + drain_s < found.pod["terminationGracePeriodSeconds"]


@each_sidecar
def test_the_sidecar_can_begin(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it but the network: options, config and flags of the ConfigMap fit together."""
    found = sidecar(name)
    for file, text in found.kinds["ConfigMap"]["data"].items():
        (tmp_path / file).write_text(text, "utf-8")
    monkeypatch.setenv("SHADOW_ADMIN_TOKEN", "0123456789abcdef")
    options = found.given() | {"config": str(tmp_path / Path(found.given()["config"]).name)}
    plan = sidecar_plan(found.container["args"][0], options)
    assert plan.events == "-"
    mounted = {mount["mountPath"]: mount for mount in found.container["volumeMounts"]}
    for file in filter(None, (found.given()["config"], plan.flags)):
        assert (tmp_path / Path(file).name).exists()
        assert str(Path(file).parent) in mounted
        assert "subPath" not in mounted[str(Path(file).parent)]
    assert {mount["name"] for mount in mounted.values()} == {
        volume["name"] for volume in found.pod["volumes"]
    }


def test_the_flags_of_the_config_map_are_those_to_begin_with() -> None:
    shipped = (FOLDER.parent / "flags" / "flags.json").read_bytes()
    inline = sidecar("proxy.yaml").kinds["ConfigMap"]["data"]["flags.json"].encode()
    for route in ("*", "GET /v1/items/{id}", "POST /v1/items", "GET /healthz"):
        assert Flags(inline).of(route) == Flags(shipped).of(route)
        assert Flags(inline).of(route)[0].rust_percent == 0


def test_the_proxy_is_a_sidecar_that_starts_before_go_and_ends_after_it() -> None:
    found = sidecar("proxy.yaml")
    assert found.pod["initContainers"] == [found.container]
    assert found.container["restartPolicy"] == "Always"
    (go,) = found.pod["containers"]
    port = go["readinessProbe"]["httpGet"]["port"]
    assert found.given()["baseline"] == f"http://127.0.0.1:{port}"


def test_secrets_are_neither_in_the_manifest_nor_on_the_command_line() -> None:
    found = sidecar("proxy.yaml")
    environment = {each["name"]: each for each in found.container["env"]}
    assert {"SHADOW_ADMIN_TOKEN", "PGPASSWORD"} == set(environment)
    assert all(set(each) == {"name", "valueFrom"} for each in environment.values())
    assert "Secret" not in found.kinds
    assert re.fullmatch(r"postgresql://\w+@\w+/\w+", found.given()["store"])


def test_clients_reach_the_sidecar_and_nothing_else() -> None:
    kinds = sidecar("proxy.yaml").kinds
    labels = kinds["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert kinds["Service"]["spec"]["selector"] == labels
    everybody, monitoring = kinds["NetworkPolicy"]["spec"]["ingress"]
    # By number: a network plugin may not find the names of an init container's ports.
    (shadow,) = kinds["Deployment"]["spec"]["template"]["spec"]["initContainers"]
    ports = {each["name"]: each["containerPort"] for each in shadow["ports"]}
    assert everybody == {"ports": [{"port": ports["live"]}]}
    assert monitoring["ports"] == [{"port": ports["status"]}]
    assert "from" in monitoring
