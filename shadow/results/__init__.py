"""What a run observed: records, tallies, latencies, the store, the summary."""
