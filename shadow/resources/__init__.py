"""Reads what the services use while a run goes: by process, by cgroup, or from their metrics."""
