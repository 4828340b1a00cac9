"""What Redis holds of people, and whether it may be believed."""
