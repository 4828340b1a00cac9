"""Dry runs that the worker makes: waiting, under way, ended."""
