"""ALS: matrix factorisation for implicit feedback, with people folded in at request."""
