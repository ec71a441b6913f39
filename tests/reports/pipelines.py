"""Steps of a pipeline, run as the runner runs them, with programs that only note their words."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
GITLAB = ROOT / "deploy" / "gitlab" / "shadow.gitlab-ci.yml"
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"]}
SCRIPTS = {name: step["run"] for name, step in STEPS.items() if "run" in step}


class Machine:
    """A folder with programs of our own before all others in the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._programs = folder / "bin"
        self._programs.mkdir()

    def program(self, name: str, script: str = "") -> None:
        """Make a program that appends its words to `NAME.words`, a line a call, then does more."""
        path = self._programs / name
        words = self.folder / f"{name}.words"
        path.write_text(f"#!/bin/bash\n(printf '%s\\0' \"$@\"; echo) >> {words}\n{script}\n")
        path.chmod(0o755)

    def calls(self, name: str) -> list[list[str]]:
        """The words of every call of a program."""
        path = self.folder / f"{name}.words"
        if not path.exists():
            return []
        calls = path.read_text("utf-8").split("\0\n")[:-1]
        return [call.split("\0") for call in calls]

    def run(self, shell: list[str], script: str, variables: Mapping[str, str]) -> tuple[int, str]:
        """Run a script; return its exit code and what it printed."""
        path = self.folder / "script"
        path.write_text(script)
        environment = {
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.folder),
            "GITHUB_ENV": str(self.folder / "environment"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "step-summary"),
            "GITHUB_PATH": str(self.folder / "path"),
            "GITHUB_REPOSITORY": "team/catalogue",
            "GITHUB_WORKFLOW": "shadow",
            **variables,
        }
        done = subprocess.run(
            [*shell, str(path)],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def step(self, name: str, **variables: str) -> tuple[int, str]:
        """Run a step of the action as GitHub's `bash` does."""
        bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]
        return self.run(bash, SCRIPTS[name], variables)
