"""A stocked and running shop."""

from tests.serving.conftest import shop

__all__ = ["shop"]
