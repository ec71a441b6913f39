from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import click
import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
import yaml

from shadow.cli import group
from shadow.config import judging
from shadow.config.file import parse
from shadow.endpoints import Endpoints
from shadow.sending.safety import Safety

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "shadow" / "schemas"
PATTERNS = ("*.md", "docs/**/*.md", "deploy/**/*.md", "services/*.md", "replay_data/*.md")
PAGES = {
    str(page.relative_to(ROOT)): page.read_text("utf-8")
    for pattern in PATTERNS
    for page in sorted(ROOT.glob(pattern))
}
FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<kind>[a-z]*)\n(?P<text>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL
)
OPERATORS = frozenset({"|", "||", "&&", ";", "&", "(", ")"})


class Block(NamedTuple):
    """A fenced block, with the page and line where it begins."""

    place: str
    kind: str
    text: str


BLOCKS = [
    Block(f"{page}:{text.count(chr(10), 0, found.start()) + 1}", found["kind"], found["text"])
    for page, text in PAGES.items()
    for found in FENCE.finditer(text)
]


def of_kind(*kinds: str) -> pytest.MarkDecorator:
    found = [block for block in BLOCKS if block.kind in kinds]
    assert found
    return pytest.mark.parametrize("block", found, ids=[block.place for block in found])


# Command lines


def simple_commands(line: str) -> Iterator[list[str]]:
    """The commands of one shell line, without redirections and variables before them."""
    lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    words: list[str] = []
    skip = False
    for word in [*lexer, ";"]:
        if skip:
            skip = False
        elif word in OPERATORS:
            if words:
                yield words
            words = []
        elif set(word) <= set("<>&"):
            skip = True
        elif words or not re.fullmatch(r"\w+=.*", word):
            words.append(word)


def shell_lines(block: Block) -> Iterator[str]:
    texts = list(strings(yaml.safe_load(block.text))) if block.kind == "yaml" else [block.text]
    for text in texts:
        yield from text.replace("\\\n", " ").splitlines()


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value


def arguments(words: list[str]) -> list[str] | None:
    """What a command line gives to shadow, also through `docker compose run`; else None."""
    if words[0] in ("shadow", ".venv/bin/shadow"):
        return words[1:]
    if words[:3] == ["docker", "compose", "run"] and "shadow" in words:
        return words[words.index("shadow") + 1 :] or None
    return None


def resolved(words: list[str]) -> tuple[click.Command, str, list[str], click.Context | None]:
    """The command that the words name, its name, the words left, and the context above it."""
    command: click.Command = group
    name, context, rest = "shadow", None, list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        context = click.Context(command, info_name=name, parent=context)
        name = rest.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name}"
        command = found
    return command, name, rest, context


def check_command_line(words: list[str]) -> None:
    command, name, rest, context = resolved(words)
    try:
        command.make_context(name, rest, parent=context)
    except click.exceptions.Exit:
        return  # --help and --version end there
    except click.ClickException as error:
        pytest.fail(f"shadow {shlex.join(words)}: {error.format_message()}")


COMMAND_LINES = [
    pytest.param(given, id=f"{block.place} {' '.join(given)[:60]}")
    for block in BLOCKS
    if block.kind in ("console", "sh", "bash", "yaml")
    for line in shell_lines(block)
    for words in simple_commands(line)
    if (given := arguments(words)) is not None
]


@pytest.mark.parametrize("words", COMMAND_LINES)
def test_command_lines_of_the_pages_parse(words: list[str]) -> None:
    check_command_line(words)


def test_command_lines_are_found_in_shell_lines() -> None:
    line = "A=1 shadow runs --json --limit 1 | jq -r .x > out && docker compose run --rm shadow x"
    found = [arguments(words) for words in simple_commands(line)]
    assert found == [["runs", "--json", "--limit", "1"], None, ["x"]]
    nested = [arguments(words) for words in simple_commands("events=$(shadow runs | jq '.a | .b')")]
    assert ["runs"] in nested


@pytest.mark.parametrize(
    "words", [["replay"], ["replay", "a", "--rates", "3"], ["diff", "a", "b", "--join", "ids"]]
)
def test_a_wrong_command_line_is_noticed(words: list[str]) -> None:
    with pytest.raises(pytest.fail.Exception):
        check_command_line(words)


INLINE = sorted(
    {
        (page, found[1])
        for page, text in PAGES.items()
        for found in re.finditer(r"`shadow ([a-z][^`\n]*)`", FENCE.sub("", text))
    }
)


@pytest.mark.parametrize(("page", "words"), INLINE)
def test_commands_named_in_the_text_exist(page: str, words: str) -> None:
    command, _, rest, _ = resolved(words.split())
    known = {name for option in command.params for name in option.opts}
    unknown = {word for word in rest if word.startswith("--")} - known
    assert not unknown, page


def test_make_targets_named_in_the_pages_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    shown = "\n".join(block.text for block in BLOCKS if block.kind == "console")
    inline = "\n".join(re.findall(r"`(make [a-z]+)`", "\n".join(PAGES.values())))
    named = set(re.findall(r"^(?:\$ )?make ([a-z]+)", f"{shown}\n{inline}", re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


# Data


@of_kind("toml")
def test_config_of_the_pages_is_accepted(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"\$\{(\w+)\}", block.text):
        monkeypatch.setenv(name, "x")
    data = tomllib.loads(block.text)
    config = parse(data, text=block.text)
    judging.policy(config)
    Endpoints(config.endpoints.templates)
    Safety(config.safety.reads)
    schema = json.loads((SCHEMAS / "config.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(data, default=dated)))


def dated(value: object) -> str:
    assert isinstance(value, date)
    return value.isoformat()


@of_kind("json")
def test_events_and_captures_of_the_pages_are_valid(block: Block) -> None:
    for value in json_values(block.text):
        name = "event" if "event" in value else "capture" if "request" in value else None
        if name is not None:
            schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
            jsonschema.Draft202012Validator(schema).validate(value)


def json_values(text: str) -> list[Any]:
    """The one value of a block, or one a line."""
    try:
        return [json.loads(text)]
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines()]


# Links


def anchors(text: str) -> set[str]:
    """The fragments of a page's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    names = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", FENCE.sub("", text), re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        count = found.get(slug, 0)
        found[slug] = count + 1
        names.add(f"{slug}-{count}" if count else slug)
    return names


def links(text: str) -> list[str]:
    prose = re.sub(r"(`+)[^`\n]+?\1", "", FENCE.sub("", re.sub(r"\[`[^`]*`\]", "[]", text)))
    found = re.findall(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)\)", prose)
    return [target for target in found if "://" not in target]


@pytest.mark.parametrize("page", PAGES)
def test_internal_links_lead_somewhere(page: str) -> None:
    for target in links(PAGES[page]):
        path, _, fragment = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        if fragment:
            assert fragment in anchors(file.read_text("utf-8")), target


def test_links_and_anchors_are_read_as_markdown_has_them() -> None:
    text = "# A `b`, c\n## A b c\n[x](y.md#z) [`w`](v) `[no](no)` [out](https://example.com)\n"
    assert anchors(text) == {"a-b-c", "a-b-c-1"}
    assert links(text) == ["y.md#z", "v"]
