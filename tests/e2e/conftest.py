from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SERVICES = Path(__file__).parents[2] / "services"


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    """Both binaries, as fresh as their sources."""
    subprocess.run([SERVICES / "build.sh"], check=True)
