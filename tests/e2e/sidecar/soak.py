"""Whether the long versions are run, which take a quarter of an hour: `make soak`."""

from __future__ import annotations

import os

SOAKS = bool(os.environ.get("SHADOW_SOAK"))
