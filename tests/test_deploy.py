"""The manifests are read back, and the commands they run are parsed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import yaml

from shadow.cli import group

JOB = Path(__file__).parents[1] / "deploy" / "kubernetes" / "replay-job.yaml"


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
