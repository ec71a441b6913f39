"""Drives both services with a capture, or pairs two captures, and keeps what was found."""
