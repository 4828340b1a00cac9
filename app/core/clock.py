"""The clock of training and scoring, which `MORSEL_NOW` can set to a moment of the past."""

from datetime import UTC, datetime

from app.core import settings


def now() -> datetime:
    """Return the moment that training and scoring take for the present, in UTC."""
    fixed = settings.load().now
    if fixed is None:
        return datetime.now(UTC)
    return fixed.astimezone(UTC) if fixed.tzinfo else fixed.replace(tzinfo=UTC)
