"""Exchanges on their way: read when there is room, sent when due, judged, kept."""
