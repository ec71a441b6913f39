from __future__ import annotations

import time

from shadow.captures.shell import quoted


def test_a_word_of_many_kinds_of_characters() -> None:
    assert quoted("it's\x1b\r \u00c3\u00a4\n") == "'it'\\''s'\"$(printf '\\033\\015')\"' ä\n'"


def test_a_long_word_takes_linear_time() -> None:
    begun = time.process_time()
    quoted('{"a b": 1}' * 200_000)
    assert time.process_time() - begun < 5
