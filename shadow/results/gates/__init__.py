"""The gates: a run against the exit criteria of a phase, each criterion a small function."""
