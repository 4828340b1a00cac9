"""What was served, kept until it is written."""
