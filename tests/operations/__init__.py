"""Tests of what those who run it see."""
