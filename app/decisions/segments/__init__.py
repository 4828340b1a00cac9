"""Segments as documents that people edit, and what is asked of them over HTTP."""
