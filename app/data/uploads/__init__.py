"""The import assistant: files that people hand in by HTTP, looked at, mapped, tried and imported in the background."""
