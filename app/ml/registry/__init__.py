"""Registry of trained artefacts."""
