"""Commands that keep running: the server and the demo, and how they begin."""
