"""A stocked and running shop; a test file shares none, each test has its own."""

from tests.serving.conftest import shop

__all__ = ["shop"]
