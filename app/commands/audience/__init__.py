"""Commands about people: who they are, what is known of them, and groups of them."""
