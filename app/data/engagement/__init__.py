"""Signals read from the log of events: machines among them, orders they brought about, and reports."""
