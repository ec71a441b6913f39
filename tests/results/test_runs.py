from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec

from shadow.masking import Masker
from shadow.results.runs import RunInfo, Side, new_run_id


def test_run_ids_are_short_and_sort_by_time_in_any_time_zone() -> None:
    early = datetime(2026, 11, 22, 13, 5, 1, tzinfo=UTC)
    late = datetime(2026, 11, 22, 15, 5, 2, tzinfo=timezone(timedelta(hours=2)))
    assert new_run_id(early).startswith("20261122-130501-")
    assert new_run_id(early) < new_run_id(late)
    assert len(new_run_id()) == 20


def test_credentials_in_urls_and_options_are_masked(info: RunInfo) -> None:
    info = msgspec.structs.replace(
        info,
        baseline=Side(name="go", url="http://u:S3CR3T@h:80/?token=S3CR3T"),
        candidate=Side(name="rust", url="http://h/?api_key=S3CR3T"),
        options={
            "headers": {"Authorization": "S3CR3T", "X-Env": "staging"},
            "targets": [{"password": "S3CR3T"}, "http://u:S3CR3T@h/"],
            "rate": 5,
        },
    )
    masked = info.masked(Masker())
    assert b"S3CR3T" not in msgspec.json.encode(masked)
    assert masked.options["headers"]["X-Env"] == "staging"
    assert masked.options["rate"] == 5
    assert "@h:80/" in masked.baseline.url
