"""The values that travel the fast path, and those that Redis keeps."""
