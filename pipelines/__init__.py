"""Data moves: a ledger becomes features, labels, scores and snapshots."""
