"""A stocked and running shop whose worker prewarms."""

from tests.serving.conftest import shop

__all__ = ["shop"]
