"""Sends: announced beforehand, so that every person's list lies ready and what will not fit is said in time."""
