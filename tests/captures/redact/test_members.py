from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures.redact.marks import Marks
from shadow.captures.redact.members import Members
from shadow.captures.redact.rules import Names, Redaction

MARKS = Marks(b"key of sixteen b")


def redacted(text: str, *rules: str) -> str:
    """The text with each mark of `x` as `~`, and each other one as `?`."""
    found = Members(Names(Redaction(json=rules)), MARKS).redact(text).replace(MARKS.of("x"), "~")
    start, *rest = found.split("shadow-redacted-")
    return start + "".join(f"?{part[20:]}" for part in rest)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"token":"x"}', '{"token":"~"}'),
        ('{ "token" :\n"x" , "a" : 1.0 }', '{ "token" :\n"~" , "a" : 1.0 }'),
        ('{"token":"x","token":"x"}', '{"token":"~","token":"~"}'),
        ('{"token":-1.5e3,"a":-1.5e3}', '{"token":0,"a":-1.5e3}'),
        ('{"token":NaN}', '{"token":0}'),
        ('{"token":true,"jwt":null,"pwd":""}', '{"token":true,"jwt":null,"pwd":""}'),
        ('{"tokens":["x",{"a":"x"},[7]],"b":"x"}', '{"tokens":["~",{"a":"~"},[0]],"b":"x"}'),
        ('{"tokens":[],"secret":{},"a":"x"}', '{"tokens":[],"secret":{},"a":"x"}'),
        ('{"token":"Bearer x"}', '{"token":"Bearer ~"}'),
        ('{"token":"Bearer\\tx"}', '{"token":"Bearer ~"}'),
        ('{"token":"\\u0078"}', '{"token":"~"}'),
        ('{"token":"\\q"}', '{"token":"?"}'),
        ('{"token":"\\n"}', '{"token":"\\n"}'),
        ('{"token":"a\\"b\\\\"}', '{"token":"?"}'),
        ('{"a\\"token":"x","a":"token","b":"x"}', '{"a\\"token":"~","a":"token","b":"x"}'),
        ('["token","x"]', '["token","x"]'),
        ('[{"token":"x', '[{"token":"~'),
        ('[{"token":"x\\', '[{"token":"?'),
        ('[{"token":["x","x', '[{"token":["~","~'),
        ('[{"token":', '[{"token":'),
        ('{"token":x}', '{"token":~}'),
        ('cb({"token":"x"});', 'cb({"token":"~"});'),
        ('{"token":"x"}\n{"token":"x"}', '{"token":"~"}\n{"token":"~"}'),
        ('odd " {"token":"x"}', 'odd " {"token":"~"}'),
        ('{"a":"{\\"token\\":\\"x\\"}","b":"x"}', '{"a":"{\\"token\\":\\"~\\"}","b":"x"}'),
        ('{"a":"{\\"token\\":7}","b":"x"}', '{"a":"{\\"token\\":0}","b":"x"}'),
        ('{"a":"{\\"token\\":\\"x","b":"x"}', '{"a":"{\\"token\\":\\"~","b":"x"}'),
        ('"{\\"tokens\\":[\\"x\\",{\\"a\\":\\"x\\"}],\\"a\\":1}"',
         '"{\\"tokens\\":[\\"~\\",{\\"a\\":\\"~\\"}],\\"a\\":1}"'),
    ],
)  # fmt: skip
def test_secrets_by_the_name_of_a_member(text: str, expected: str) -> None:
    assert redacted(text) == expected


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("$.a.b", '{"a":{"b":"x"},"b":"x"}', '{"a":{"b":"~"},"b":"x"}'),
        ("$.a.b", '{"A":{"B":"x"},"a":[{"b":"x"}]}', '{"A":{"B":"~"},"a":[{"b":"x"}]}'),
        ("$.a.b", '{"c":[1,[2],{}],"a":{"b":["x",{"c":1}]},"d":1}',
         '{"c":[1,[2],{}],"a":{"b":["~",{"c":0}]},"d":1}'),
        ("$.a[1]", '{"a":["x","x","x"]}', '{"a":["x","~","x"]}'),
        ("$.a[*].b", '{"a":[{"b":"x"},{"c":"x","b":"x"}]}', '{"a":[{"b":"~"},{"c":"x","b":"~"}]}'),
        ("$[*].b", '[{"b":"x"},{"b":2}]', '[{"b":"~"},{"b":0}]'),
        ("$.*.b", '{"q":{"b":"x"},"r":{"b":"x"}}', '{"q":{"b":"~"},"r":{"b":"~"}}'),
        ("$['a b']", '{"a b":"x"}', '{"a b":"~"}'),
        ("$.\u00fc", '{"\xc3\xbc":"x"}', '{"\xc3\xbc":"~"}'),
        ("$.\u00fc", '{"\\u00fc":"x"}', '{"\\u00fc":"~"}'),
        ("$.a", '{"a":"x"}\n\n{"b":{"a":"x"}}\n', '{"a":"~"}\n\n{"b":{"a":"x"}}\n'),
        ("$.b.a", '{"a":"x"', '{"a":"~"'),
        ("$.a", "[" * 2_000 + '{"a":"x"}' + "]" * 2_000, "[" * 2_000 + '{"a":"~"}' + "]" * 2_000),
        ("$..a", '{"b":{"a":"x"}}', '{"b":{"a":"~"}}'),
        ("a", '{"b":{"a":"x"}}', '{"b":{"a":"~"}}'),
    ],
)  # fmt: skip
def test_secrets_by_path(path: str, text: str, expected: str) -> None:
    assert redacted(text, path) == expected


values = st.recursive(
    st.sampled_from(["", "a", "token", '"', "\\", '\\"', "x: y", "é", "\n", 7, None]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["token", "a", '"', "\\", "b\\"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(values, st.integers(1, 4))
def test_a_secret_is_found_however_deep_it_is_in_strings(value: object, depth: int) -> None:
    text = json.dumps({"before": value, "token": 'hidden \\ " it', "after": [value, '"', "\\"]})
    plain = redacted(text)
    for _ in range(depth):
        text = json.dumps({"body": text})
    found = redacted(text)
    assert "hidden" not in found
    for _ in range(depth):
        found = json.loads(found)["body"]
    assert found == plain
    assert list(json.loads(found)) == ["before", "token", "after"]


@pytest.mark.parametrize(
    "text",
    [
        *(
            '"',
            '"token":',
            '"token":"',
            '"token":{"',
            "\\",
            '\\"',
            '"a":',
            "[",
            '{"a":[',
            '"token" ',
        ),
        *('\\"token\\":\\"', '"token":\\\\\\"', '"token":[[[', '"token":tr', '"token":"a\\', '" "'),
    ],
)
@pytest.mark.parametrize("rules", [(), ("$.a.token", "$.a[*].b")])
def test_no_text_makes_it_slow(text: str, rules: tuple[str, ...]) -> None:
    members = Members(Names(Redaction(json=rules)), MARKS)
    started = time.process_time()
    members.redact(text * (100_000 // len(text)))
    assert time.process_time() - started < 1
