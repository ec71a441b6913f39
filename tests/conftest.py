"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# Two shared cores make single examples slow at random; a hung test is stopped by its timeout.
settings.register_profile("shadow", deadline=None)
settings.load_profile("shadow")
