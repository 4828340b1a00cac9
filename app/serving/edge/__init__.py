"""Where calls come in: the socket, the door in front of the framework, parameters, documented routes."""
