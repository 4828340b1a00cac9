"""The first page of a server, and its documentation, both without the internet."""
