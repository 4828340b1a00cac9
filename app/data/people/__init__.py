"""People: identities, state, consent."""
