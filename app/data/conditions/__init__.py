"""Conditions and formulas over facts: one language, with a spelling for people and one for programs, and a sentence in words."""
