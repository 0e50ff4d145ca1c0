"""Intake: what happens between a file or a database and the ledger; `sources` is its door."""
