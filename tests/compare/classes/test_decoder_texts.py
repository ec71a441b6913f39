from __future__ import annotations

import pytest

from shadow.compare.classes.decoder_texts import DATA_PREFIX, same_fault, serde_reasons

TYPE = "json: cannot unmarshal number into Go struct field P.name of type string"


def test_serde_speaks_in_a_refusal_or_with_a_position() -> None:
    reason = "missing field `a`"
    assert reason in list(serde_reasons(f"{DATA_PREFIX}: {reason} at line 1 column 2"))
    assert reason in list(serde_reasons(f"{reason} at line 1 column 2"))
    assert reason in list(serde_reasons(f"Json deserialize error: {reason}"))
    assert list(serde_reasons(reason)) == []
    assert list(serde_reasons(f"{reason} at line 1 column 2!")) == []


@pytest.mark.parametrize(
    ("go", "rust", "same"),
    [
        ("unexpected EOF", "EOF while parsing a value at line 1 column 8", True),
        (TYPE, "invalid type: integer `1`, expected a string at line 1 column 9", True),
        (TYPE, "expected value at line 1 column 9", False),
        ("unexpected EOF", "EOF while parsing a value", False),
        ("x" * 10_001, "expected value at line 1 column 9", False),
    ],
)
def test_a_fault_is_paired_with_its_text_on_the_other_side(
    go: str, rust: str, *, same: bool
) -> None:
    assert same_fault(go, rust) is same
