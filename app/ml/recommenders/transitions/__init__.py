"""Transitions: what people went on to after what this person did last."""
