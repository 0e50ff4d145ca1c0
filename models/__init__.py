"""What we believe and advise: pure functions of arrays, no clock, no network, no database."""
