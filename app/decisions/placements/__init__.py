"""Placements: where content is shown, and how."""
