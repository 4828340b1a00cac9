"""Moments as sources write them. Pure."""

from datetime import UTC, datetime, tzinfo

_ZONES = ("UTC", "GMT")
EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)


def parse_moment(value: object, zone: tzinfo = UTC) -> datetime | None:
    """Read an ISO 8601 text, or unix seconds, milliseconds, microseconds or nanoseconds, as a moment in UTC; None when it is neither.

    A text without an offset is local time of `zone`. Years before 1971 and beyond 9998 are no moments.
    """
    try:
        if isinstance(value, bool):
            return None
        if isinstance(value, (int, float)):
            moment = _unix(float(value))
        else:
            text = str(value).strip()
            if text[-3:] in _ZONES and text[:4].isdigit():  # as BigQuery and Ruby write it
                text = text[:-3].rstrip() + "+00:00"
            # what has a dash behind four characters is no number: the usual form is not looked at twice
            moment = _unix(float(text)) if text[4:5] != "-" and _is_number(text) else datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        if moment.tzinfo is not UTC:
            moment = moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment >= EARLIEST and moment.year < 9999 else None


def _is_number(text: str) -> bool:
    # 20240131 is a day in ISO 8601, not a number of seconds
    return len(text) != 8 and text.replace(".", "", 1).isdigit()


def _unix(number: float) -> datetime:
    # 10^11 seconds lie in the year 5138, 10^11 milliseconds in 1973; microseconds and nanoseconds as GA4 and Go write them
    size = abs(number)
    unit = 1 if size < 1e11 else 1e3 if size < 1e14 else 1e6 if size < 1e17 else 1e9
    return datetime.fromtimestamp(number / unit, UTC)
