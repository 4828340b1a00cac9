"""Floor 0: what every feature stands on and which knows no feature."""
