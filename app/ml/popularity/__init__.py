"""Popular lists for the rungs below the models."""
