"""EASE: a linear autoencoder over items."""
