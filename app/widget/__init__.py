"""The scripts that a shop's pages load."""
