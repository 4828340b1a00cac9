"""Charts as SVG, made on the server, each with its figures in a table behind it."""
