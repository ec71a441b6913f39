from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from shadow.config.file import find, load, parse
from shadow.errors import ConfigError


def refusal(text: str) -> tuple[str, str]:
    with pytest.raises(ConfigError) as refused:
        parse(tomllib.loads(text), text=text)
    return refused.value.message, refused.value.hint


def test_an_unknown_key_names_its_line_and_the_nearest_known_one() -> None:
    assert refusal('[targets.baseline]\nurll = "x"\n') == (
        "shadow.toml:2: unknown key targets.baseline.urll",
        "did you mean url?",
    )
    assert refusal("[target]\n") == (
        "shadow.toml:1: unknown key target",
        "did you mean targets?",
    )


def test_a_wrong_type_names_its_place() -> None:
    message, _ = refusal('[safety]\nreads = "POST /v1/quote"\n')
    assert message.startswith("shadow.toml:2: safety.reads: ")
    assert "array" in message


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STAGING_TOKEN", raising=False)
    text = '[targets.candidate]\nheaders = { Authorization = "Bearer ${STAGING_TOKEN}" }\n'
    message, hint = refusal(text)
    assert message == (
        "shadow.toml:2: targets.candidate.headers.Authorization needs the environment variable "
        "STAGING_TOKEN"
    )
    assert "export STAGING_TOKEN" in hint


def test_variables_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "8081")
    config = parse({"targets": {"candidate": {"url": "http://127.0.0.1:${PORT}"}}})
    assert config.targets.candidate.url == "http://127.0.0.1:8081"


def test_the_file_is_found_upward(tmp_path: Path) -> None:
    (tmp_path / "shadow.toml").write_text('[safety]\nreads = ["POST /q"]\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find(below) == tmp_path / "shadow.toml"
    assert load(str(tmp_path / "shadow.toml")).safety.reads == ["POST /q"]


def test_a_missing_or_malformed_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read config .*missing"):
        load(str(tmp_path / "missing.toml"))
    broken = tmp_path / "broken.toml"
    broken.write_text("a = = 1")
    with pytest.raises(ConfigError, match=r"broken.toml: .*line 1"):
        load(str(broken))
