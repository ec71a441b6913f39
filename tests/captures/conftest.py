from __future__ import annotations

import gzip
import importlib.resources
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from shadow.captures import Record, read

DATA = Path(__file__).parent / "data"


@pytest.fixture
def data() -> Path:
    """The folder of small sample files."""
    return DATA


@pytest.fixture
def records(tmp_path: Path) -> Callable[[bytes], list[Record]]:
    """Reads a capture that holds these bytes."""

    def read_bytes(content: bytes) -> list[Record]:
        path = tmp_path / "capture"
        path.write_bytes(content)
        return list(read([path]))

    return read_bytes


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    """The schema of the capture format, as it ships."""
    file = importlib.resources.files("shadow") / "schemas" / "capture.schema.json"
    loaded: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return loaded


@pytest.fixture(params=["gzip", "zstd"])
def compress(request: pytest.FixtureRequest) -> Callable[[bytes], bytes]:
    if request.param == "gzip":
        return lambda content: gzip.compress(content, mtime=0)
    return lambda content: zstandard.ZstdCompressor().compress(content)
