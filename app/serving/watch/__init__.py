"""What a server process measures and watches beside answering."""
