"""Refused events: kept whole with the reason, listed, put right, replayed."""
