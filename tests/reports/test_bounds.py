"""How large a report may become, whatever the run."""

from __future__ import annotations

import pytest

from shadow.reports import FORMATS
from shadow.reports.github import SUMMARY_BYTES
from shadow.reports.markdown import COMMENT_BYTES
from shadow.reports.page import FILE_BYTES
from shadow.results.summary import Summary
from tests.reports import many

LIMITS = {
    "markdown": COMMENT_BYTES,
    "github": SUMMARY_BYTES,
    "html": FILE_BYTES,
    "annotations": 64_000,
    "gitlab": 10_000_000,
    "junit": 30_000_000,
    "sarif": 30_000_000,
}


@pytest.fixture(scope="module")
def widest(summary: Summary) -> Summary:
    return many.widest(summary)


@pytest.mark.parametrize(("form", "limit"), LIMITS.items())
def test_the_widest_run_stays_below_the_limit_of_its_format(
    widest: Summary, form: str, limit: int
) -> None:
    assert len(FORMATS[form](widest).encode("utf-8", "surrogatepass")) < limit
