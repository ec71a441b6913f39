from __future__ import annotations

import itertools
import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.captures.shell import quoted
from shadow.errors import ShadowError
from shadow.model import Request
from shadow.reports.repro import INLINE_BYTES, Asked, Place, curl, http_file

GO = Place(name="go", url="http://127.0.0.1:8080")
NOWHERE = Place(name="go-1.2", url="")
wire = st.text(st.characters(max_codepoint=255, exclude_characters="\0"), max_size=40)
words = st.text(st.characters(min_codepoint=0x21, max_codepoint=255, exclude_characters="\x7f"))
NAMES = ("X-A", "cookie", "Accept", "@/etc/passwd", "content-length", ":authority", "bad name")
headers = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.text(st.characters(max_codepoint=255, exclude_characters="\0\r\n"), max_size=20),
    ),
    max_size=4,
)
bodies = st.binary(max_size=60) | st.text(max_size=60).map(
    lambda text: text.encode("utf-8", "replace")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a curl that prints what it is given."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "curl"
    program.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    program.chmod(0o755)
    return folder


def given_to_curl(line: str, folder: Path, **environment: str) -> list[bytes]:
    """The arguments that curl gets when a POSIX shell runs the line."""
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        env={"PATH": f"{folder}:{os.environ['PATH']}", "LC_ALL": "C", **environment},
        capture_output=True,
        cwd=folder,
        check=True,
    )
    assert done.stderr == b""
    return done.stdout.split(b"\0")[:-1]


def values(arguments: list[bytes], option: bytes) -> list[bytes]:
    return [value for name, value in itertools.pairwise(arguments) if name == option]


@settings(max_examples=150)
@given(st.lists(wire, min_size=1, max_size=6))
def test_every_word_comes_through_a_shell_as_it_is(folder: Path, texts: list[str]) -> None:
    line = " ".join(["curl", *map(quoted, texts)])
    assert given_to_curl(line, folder) == [text.encode("latin-1") for text in texts]


@given(wire)
def test_a_quoted_word_shows_no_control_character(text: str) -> None:
    shown = quoted(text).replace("\n", "")
    assert shown.isprintable()
    shown.encode("utf-8")


@settings(max_examples=150)
@given(target=words.map(lambda text: f"/{text}"), fields=headers, body=bodies)
def test_a_whole_request_comes_through(
    folder: Path, target: str, fields: list[tuple[str, str]], body: bytes
) -> None:
    request = Request(method="POST", target=target, headers=tuple(fields), body=body)
    asked = Asked(request=request, whole=True, body_file="b.body")
    arguments = given_to_curl(curl(asked, GO), folder)
    assert arguments[-1] == b"http://127.0.0.1:8080" + target.encode("latin-1")
    assert values(arguments, b"--request") == [b"POST"]
    sent = values(arguments, b"--header")
    kept = [(name, value) for name, value in fields if name in {"X-A", "cookie", "Accept"}]
    told = [f"{name}: {value}" if value else f"{name};" for name, value in kept]
    assert sent[: len(told)] == [each.encode("latin-1") for each in told]
    assert all(each.endswith(b":") for each in sent[len(told) :])
    if asked.inline and body:
        assert values(arguments, b"--data-raw") == [body]
    else:
        assert values(arguments, b"--data-binary") == ([b"@b.body"] if body else [])
    assert not any(each.startswith(b"@") for each in sent)


def test_without_a_url_a_variable_stands_for_it(folder: Path) -> None:
    request = Request(method="GET", target="/a b'$HOME".replace(" ", "%20"))
    line = curl(Asked(request=request, whole=False, body_file=""), NOWHERE)
    arguments = given_to_curl(line, folder, GO_1_2_URL="http://[::1]:9")
    assert arguments[-1] == b"http://[::1]:9/a%20b'$HOME"


def test_what_the_store_keeps_has_no_invented_headers() -> None:
    request = Request(method="HEAD", target="/x")
    line = curl(Asked(request=request, whole=False, body_file=""), GO)
    assert line.endswith("--head http://127.0.0.1:8080/x")
    assert "--header" not in line


def test_what_cannot_be_sent_again_is_said() -> None:
    asked = Asked(request=Request(method="CONNECT", target="a:443"), whole=True, body_file="")
    with pytest.raises(ShadowError, match="cannot be sent again: CONNECT asks for a tunnel"):
        curl(asked, GO)


@pytest.mark.parametrize(
    ("body", "inline"),
    [
        (b'{"a": 1}\n', True),
        ("é\t漢".encode(), True),
        (b"\x1b[31m", False),
        ("\u202e".encode(), False),
        (b"\xff", False),
        (b"\0", False),
        (b"x" * INLINE_BYTES, True),
        (b"x" * (INLINE_BYTES + 1), False),
    ],
)
def test_a_body_stands_in_the_command_where_it_is_short_text(body: bytes, *, inline: bool) -> None:
    request = Request(method="POST", target="/", body=body)
    assert Asked(request=request, whole=True, body_file="").inline == inline


def test_an_http_file_asks_both_sides() -> None:
    fields = (("Accept", "text/plain"), ("X-Odd", "\xff"), ("Content-Length", "9"))
    request = Request(method="POST", target="/a?b={{c}}&d=\xc3\xa9", headers=fields, body=b"hello")
    asked = Asked(request=request, whole=True, body_file="one.body")
    text = http_file([("exchange x1", asked)], [GO, NOWHERE])
    assert text == (
        "@GO_1_2_URL = http://127.0.0.1\n\n"
        "### exchange x1: go\n"
        "# left out, for bytes that are no text: X-Odd\n"
        "POST http://127.0.0.1:8080/a?b=%7B%7Bc%7D%7D&d=%C3%A9 HTTP/1.1\n"
        "Accept: text/plain\n\nhello\n\n"
        "### exchange x1: go-1.2\n"
        "# left out, for bytes that are no text: X-Odd\n"
        "POST {{GO_1_2_URL}}/a?b=%7B%7Bc%7D%7D&d=%C3%A9 HTTP/1.1\n"
        "Accept: text/plain\n\nhello\n"
    )


@pytest.mark.parametrize(
    "body", [b"a\n### b", b"< ./etc/passwd", b"{{secret}}", b"> {% x %}", b"\xff", b" a ", b"a\n"]
)
def test_a_body_that_would_mean_something_in_an_http_file_goes_by_file(body: bytes) -> None:
    request = Request(method="POST", target="/", body=body)
    asked = Asked(request=request, whole=True, body_file="one.body")
    assert http_file([("x", asked)], [GO]).endswith("\n\n< ./one.body\n")


@settings(max_examples=200)
@given(title=st.text(), target=words, fields=headers, body=bodies)
def test_an_http_file_has_as_many_requests_as_were_asked_for(
    title: str, target: str, fields: list[tuple[str, str]], body: bytes
) -> None:
    request = Request(method="PUT", target=f"/{target}", headers=tuple(fields), body=body)
    asked = Asked(request=request, whole=True, body_file="one.body")
    text = http_file([(title, asked), (title, asked)], [GO])
    assert len(re.findall(r"^###", text, re.MULTILINE)) == 2
    assert len(re.findall(r"^PUT http://127\.0\.0\.1:8080/\S* HTTP/1\.1$", text, re.MULTILINE)) >= 2


def test_the_whole_server_is_asked_by_its_own_option(folder: Path) -> None:
    request = Request(method="OPTIONS", target="*")
    asked = Asked(request=request, whole=False, body_file="")
    for place in (GO, Place(name="go", url="")):
        arguments = given_to_curl(curl(asked, place), folder, GO_URL=GO.url)
        assert values(arguments, b"--request-target") == [b"*"]
        assert arguments[-1] == GO.url.encode()
