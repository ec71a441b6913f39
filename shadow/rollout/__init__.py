"""A rollout: gates on runs of the store, and the ledger of the phases."""
