"""What an attacker sends, and what it must come to."""
