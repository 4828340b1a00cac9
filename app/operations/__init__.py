"""What those who run Morsel must know: roll-ups of the past, what needs a human, and how its parts are."""
