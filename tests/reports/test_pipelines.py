"""The GitHub Action and the GitLab template: by their schemas, and each step run for real."""

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
from tests.reports.pipelines import ACTION, GITLAB, ROOT, SCRIPTS, STEPS, Machine

REPLAY = {
    "CAPTURE": "one.jsonl\ntwo words.jsonl\n",
    "GO": "recorded",
    "RUST": "http://127.0.0.1:8081",
    "ARGS": "",
    "FAIL_ON": "new",
    "NO_VALUES": "auto",
    "OPEN": "false",
}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def accepted(words: list[str]) -> dict[str, Any]:
    """What shadow's own command line makes of the words."""
    command = group.get_command(click.Context(group), words[0])
    assert command is not None
    return command.make_context(words[0], words[1:]).params


@pytest.mark.parametrize(
    ("schema", "path"), [("github-actions", ROOT / "action.yml"), ("gitlab-ci", GITLAB)]
)
def test_each_follows_its_schema(schema: str, path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.packages
def test_the_workflow_of_the_page_passes_actionlint(tmp_path: Path) -> None:
    page = (ROOT / "docs/howto/ci.md").read_text("utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (workflow,) = [block for block in blocks if "\njobs:" in block]
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    # Its inputs are checked where the action is a folder.
    (folder / "shadow.yml").write_text(re.sub(r"uses: \S+/shadow@\S+", "uses: ./shadow", workflow))
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow/action.yml").write_text((ROOT / "action.yml").read_text("utf-8"))
    (tmp_path / ".git").mkdir()
    linter = ROOT / ".build/tools/actionlint"
    assert linter.exists(), "there is no actionlint: make packages installs it"
    done = subprocess.run(
        [linter, "-no-color"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_is_made_of_what_others_may_choose(name: str) -> None:
    assert "${{" not in SCRIPTS[name]


def test_every_input_is_used_and_every_used_input_is_there() -> None:
    used = set(re.findall(r"inputs\.([a-z-]+)", (ROOT / "action.yml").read_text("utf-8")))
    assert used == ACTION["inputs"].keys()


def test_other_actions_are_pinned_by_commit() -> None:
    for step in STEPS.values():
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step.get("uses", f"a/b@{'0' * 40}"))


def test_replay_gives_shadow_words_it_knows(machine: Machine) -> None:
    machine.program("shadow", '[ "$1" = export ] || { echo "::error::not a command"; exit 1; }')
    code, said = machine.step("Replay", **{**REPLAY, "ARGS": "--rate\n50\n--endpoint\nGET /v1/*"})
    assert code == 0
    words, _ = machine.calls("shadow")
    given = accepted(words)
    assert given["captures"] == ("one.jsonl", "two words.jsonl")
    assert given["endpoint"] == ("GET /v1/*",)
    assert (given["rate"], given["fail_on"], given["no_values"]) == (50, "new", False)
    assert {form for form, _ in given["reports"]} >= {"markdown", "github", "html", "annotations"}
    folder = machine.folder / "shadow"
    assert (machine.folder / "output").read_text() == f"exit-code=1\nreport={folder}\n"
    stop, printed, go_on = said.splitlines()
    token = stop.removeprefix("::stop-commands::")
    assert re.fullmatch(r"[0-9a-f]{32}", token)
    assert (printed, go_on) == ("::error::not a command", f"::{token}::")


@pytest.mark.parametrize(
    ("chosen", "is_open", "withheld"),
    [
        ("auto", "true", True),
        ("auto", "false", False),
        ("true", "false", True),
        ("false", "true", False),
    ],
)
def test_values_are_withheld_where_anybody_may_look(
    machine: Machine, chosen: str, is_open: str, *, withheld: bool
) -> None:
    machine.program("shadow")
    machine.step("Replay", **{**REPLAY, "NO_VALUES": chosen, "OPEN": is_open})
    for words in machine.calls("shadow"):
        assert ("--no-values" in words) == withheld


@pytest.mark.parametrize(
    ("withheld", "fail_on", "kept"),
    [
        ("false", "never", {"events.jsonl", "shadow.sqlite", "shadow.run"}),
        ("true", "new", {"shadow.run"}),
        ("true", "divergence", {"shadow.run"}),
    ],
)
def test_what_names_requests_is_kept_back_with_the_values(
    machine: Machine, withheld: str, fail_on: str, kept: set[str]
) -> None:
    machine.program(
        "shadow",
        '[ "$1" = replay ] || { touch "$4"; exit; }\n'
        'touch "$RUNNER_TEMP"/shadow/{events.jsonl,shadow.sqlite}',
    )
    machine.step("Replay", **{**REPLAY, "NO_VALUES": withheld, "FAIL_ON": fail_on})
    exported = accepted(machine.calls("shadow")[1])
    assert (exported["run"], exported["no_values"]) == ("latest", withheld == "true")
    assert {path.name for path in (machine.folder / "shadow").iterdir()} == kept


def test_the_step_summary_and_the_annotations_are_what_shadow_wrote(machine: Machine) -> None:
    machine.program(
        "shadow",
        'cd "$RUNNER_TEMP/shadow"; echo sum > summary.md; echo ::error::x > annotations.txt',
    )
    machine.step("Replay", **REPLAY)
    assert (machine.folder / "step-summary").read_text() == "sum\n"
    folder = str(machine.folder / "shadow")
    assert machine.step("Annotations", FOLDER=folder) == (0, "::error::x\n")
    assert machine.step("Annotations", FOLDER=str(machine.folder / "none")) == (0, "")


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_job_ends_with_the_code_of_shadow(machine: Machine, code: int) -> None:
    assert machine.step("Result", CODE=str(code))[0] == code


@pytest.mark.parametrize(("found", "method"), [("41\n42", "PATCH"), ("", "POST")])
def test_one_comment_is_kept_up_to_date(machine: Machine, found: str, method: str) -> None:
    machine.program("gh", f'[ "$2" != --paginate ] || printf "%s\\n" "{found}"')
    (machine.folder / "comment.md").write_text("report")
    assert machine.step("Comment", FOLDER=str(machine.folder), NUMBER="7") == (0, "")
    asked, told = machine.calls("gh")
    assert "repos/team/catalogue/issues/7/comments?per_page=100" in asked
    assert told[:3] == ["api", "--method", method]
    where = "comments/41" if method == "PATCH" else "7/comments"
    assert told[3] == f"repos/team/catalogue/issues/{where}"
    assert f"body=@{machine.folder}/comment.md" in told


def test_a_token_that_may_not_comment_does_not_fail_the_job(machine: Machine) -> None:
    machine.program("gh", "exit 1")
    (machine.folder / "comment.md").write_text("report")
    code, said = machine.step("Comment", FOLDER=str(machine.folder), NUMBER="7")
    assert code == 0
    assert said.startswith("::notice title=shadow::no comment")


def test_the_run_of_the_default_branch_is_what_it_looks_back_at(machine: Machine) -> None:
    machine.program(
        "gh",
        'if [ "$2" = list ]; then echo 99; else mkdir -p "${@: -1}"; '
        'echo kept > "${@: -1}/shadow.run"; fi',
    )
    name = "Baseline run from the default branch"
    assert machine.step(name, BRANCH="main", ARTIFACT="shadow") == (0, "")
    variable, kept = (machine.folder / "environment").read_text().rstrip().split("=")
    assert Path(kept).read_text() == "kept\n"
    machine.program("shadow", "exit 4")
    machine.step("Replay", **REPLAY, **{variable: kept})
    (words,) = machine.calls("shadow")
    assert accepted(words)["since"] == kept
    assert (machine.folder / "shadow/shadow.run").read_text() == "kept\n"  # for the next one
    assert machine.calls("gh")[1][:3] == ["run", "download", "99"]


@pytest.mark.parametrize("script", ["exit 1", "", "[ $2 != list ] || echo 99"])
def test_without_a_run_of_the_default_branch_it_goes_on(machine: Machine, script: str) -> None:
    machine.program("gh", script)
    name = "Baseline run from the default branch"
    code, said = machine.step(name, BRANCH="main", ARTIFACT="shadow")
    assert code == 0
    assert "no run of main to compare with" in said


def test_the_gitlab_job_gives_shadow_words_it_knows(machine: Machine) -> None:
    job = yaml.safe_load(GITLAB.read_text("utf-8"))[".shadow"]
    machine.program("shadow", '[ "$1" = export ] || exit 3')
    variables = {name: str(value) for name, value in job["variables"].items()}
    for visibility in ("public", "private"):
        variables["CI_PROJECT_VISIBILITY"] = visibility
        code, said = machine.run(["sh", "-e"], "\n".join(job["script"]), variables)
        assert (code, said) == (3, "")
    public, exported, private, _ = (accepted(words) for words in machine.calls("shadow"))
    assert (exported["run"], exported["no_values"]) == ("latest", True)
    assert public["since"] is None
    assert (public["no_values"], private["no_values"]) == (True, False)
    written = {path for _, path in private["reports"]}
    kept = {*job["artifacts"]["paths"], *job["artifacts"]["reports"].values()}
    assert written == kept
    assert private["fail_on"] == "new"
    (cached,) = job["cache"]["paths"]
    assert exported["out"].startswith(cached)


def test_the_gitlab_job_looks_back_at_the_run_in_the_cache(machine: Machine) -> None:
    job = yaml.safe_load(GITLAB.read_text("utf-8"))[".shadow"]
    machine.program("shadow", "exit 4")
    (machine.folder / "shadow-baseline").mkdir()
    (machine.folder / "shadow-baseline/shadow.run").write_text("kept")
    variables = {name: str(value) for name, value in job["variables"].items()}
    variables["CI_PROJECT_VISIBILITY"] = "private"
    assert machine.run(["sh", "-e"], "\n".join(job["script"]), variables) == (4, "")
    (words,) = machine.calls("shadow")  # what did not come to its end is not exported
    assert accepted(words)["since"] == "shadow-baseline/shadow.run"
