"""Consent, erasure, and how long events are kept."""
