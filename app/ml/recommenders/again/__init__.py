"""Again: what this person looks at or buys once more, each kind of event by its own rhythm of return."""
