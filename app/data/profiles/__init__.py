"""What events say about people, summed up and packed."""
