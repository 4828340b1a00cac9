"""The dashboard: a program of its own and a client of the admin API."""
