from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from docs.pages import classes as page
from shadow.cli import group
from shadow.compare import classes
from shadow.compare.classes.base import DivergenceClass
from shadow.compare.classes.examples import Example, answer, asked, json_pair
from shadow.model import NoAnswer

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def test_the_reference_is_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr}run `make docs`"


def commands(parent: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(parent)
    for each in parent.list_commands(context):
        command = parent.get_command(context, each)
        assert command is not None
        yield f"{name} {each}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {each}")


@pytest.mark.parametrize(("name", "command"), list(commands(group, "shadow")))
def test_every_command_has_help_and_is_documented(name: str, command: click.Command) -> None:
    assert command.help
    assert command.get_short_help_str()
    if not isinstance(command, click.Group):
        assert f"\n## {name}\n" in (REFERENCE / "commands.md").read_text("utf-8")


def test_every_class_is_documented() -> None:
    text = (REFERENCE / "classes.md").read_text("utf-8")
    assert [cls for cls in classes.CLASSES if f"\n### `{cls}`\n" not in text] == []


def test_help_reference_and_readme_list_the_same_exit_codes() -> None:
    told = re.findall(r"\b(\d+) [a-z]", (group.help or "").partition("Exit codes:")[2])
    assert told
    for file in (REFERENCE / "exit-codes.md", ROOT / "README.md"):
        assert told == re.findall(r"^\| (\d+) \|", file.read_text("utf-8"), re.MULTILINE)


def a_class(name: str, example: Example) -> DivergenceClass:
    return DivergenceClass(
        id=name,
        title="A title",
        go="[]T | `[]T`",
        rust="Vec<T>",
        impact="none",
        fix_go="x_y",
        fix_rust="*",
        severity="risky",
        policy="allow",
        needs="pair",
        valid=(example,),
    )


def rendered(monkeypatch: pytest.MonkeyPatch, example: Example) -> str:
    monkeypatch.setattr(classes, "CLASSES", {"some-class": a_class("some-class", example)})
    monkeypatch.setattr(classes, "FAMILIES", ())
    return page.render()


def test_a_class_shows_both_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    text = rendered(monkeypatch, json_pair('{"a":null}\n', '{"a":[]}'))
    assert '```text\nGo    {"a":null}\\n\nRust  {"a":[]}\n```' in text
    assert "| [`some-class`](#some-class) | risky | `allow` | the two answers |" in text


def test_texts_of_a_class_show_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    text = rendered(monkeypatch, json_pair("1", "2"))
    assert r"| Go | \[\]T \| `[]T` |" in text
    assert r"| Rust | Vec\<T\> |" in text
    assert "| fix in Go | x_y |" in text


def test_statuses_headers_requests_and_failures_show(monkeypatch: pytest.MonkeyPatch) -> None:
    example = Example(
        go=NoAnswer(kind="reset"),
        rust=answer(405, allow="GET"),
        request=asked("/a?b=1", "POST", "{}"),
    )
    text = rendered(monkeypatch, example)
    assert "> POST /a?b=1\n{}\nGo    (no answer: reset)\nRust  HTTP 405\n      allow: GET" in text


def test_samples_show_as_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    text = rendered(monkeypatch, Example(samples=(("1", '"A|B"'),)))
    assert '| Go | Rust |\n| --- | --- |\n| `1` | `"A\\|B"` |' in text


def test_an_empty_catalogue_is_said_to_be_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes, "CLASSES", {})
    assert "No class is registered yet." in page.render()
