"""How sources write events: messages, rows of files, times. Pure."""
