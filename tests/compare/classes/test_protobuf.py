from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import enums, protobuf
from shadow.compare.classes.base import Samples
from shadow.compare.json_text import Number
from tests.compare.classes.shape_families import ANYTHING, check_examples, check_never_raises

NAMES = st.from_regex(r"[A-Z]{2,8}(_[A-Z0-9]{1,8}){0,2}", fullmatch=True)


def over(module: object, class_id: str, samples: Samples) -> bool:
    classes = protobuf.CLASSES if module is protobuf else enums.CLASSES
    found = next(cls.over for cls in classes if cls.id == class_id)
    assert found is not None
    return found(samples)


def test_each_example_is_judged_as_it_says() -> None:
    check_examples(protobuf)


@given(ANYTHING, ANYTHING)
def test_no_predicate_raises(go: object, rust: object) -> None:
    check_never_raises(protobuf, go, rust)


@given(st.dictionaries(NAMES, st.integers(0, 999), min_size=1, max_size=5), st.data())
def test_only_a_bijection_of_two_or_more_is_an_enum(
    numbers: dict[str, int], data: st.DataObject
) -> None:
    samples = [(name, Number(str(number))) for name, number in numbers.items()]
    expected = len(set(numbers.values())) == len(numbers) >= 2
    assert over(protobuf, "proto-enum-number", samples) == expected
    turned = [(number, name) for name, number in samples]
    assert over(enums, "enum-int-vs-name", turned) == expected
    name = data.draw(st.sampled_from(sorted(numbers)))
    broken = [*samples, (name, Number(str((numbers[name] + 1) % 1000)))]
    assert not over(protobuf, "proto-enum-number", broken)


def test_names_and_defaults_are_left_to_the_general_classes() -> None:
    needs = {cls.id: cls.needs for cls in protobuf.CLASSES}
    assert needs["proto-field-name"] == needs["proto-default-omitted"] == "never"
