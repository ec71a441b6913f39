"""The smallest session that still shows something: delta debugging over requests. Pure.

Nothing is sent here: whoever calls says, for each candidate, whether it still shows.
"""

from __future__ import annotations

from shadow.minimise.budget import Budget, Oracle, OverBudgetError, Spending
from shadow.minimise.counting import left_out
from shadow.minimise.session import Minimised, minimised

__all__ = [
    "Budget",
    "Minimised",
    "Oracle",
    "OverBudgetError",
    "Spending",
    "left_out",
    "minimised",
]
