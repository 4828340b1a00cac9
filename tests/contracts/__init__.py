"""Contract tests that every implementation of a kind inherits."""
