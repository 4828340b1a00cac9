"""What text that comes in as JSON may hold: anything that PostgreSQL and UTF-8 can."""

import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator

# PostgreSQL text cannot hold NUL; with a pattern, what is no text at all (a lone surrogate) is refused too.
STORABLE = r"^[^\x00]*$"


def of_texts(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object as it is; raises ValueError when a text in it holds a lone surrogate, which JSON can write but nobody can store."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds a lone surrogate") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


_NO_TEXT = re.compile("[\ud800-\udfff]")
Texts = Annotated[dict[str, Any], AfterValidator(of_texts)]


def readable(value: Any) -> Any:
    """Return a value with whatever is no text in it (lone surrogates: bytes in another encoding than was said) shown as U+FFFD."""
    if isinstance(value, str):
        return _NO_TEXT.sub("\ufffd", value)
    if isinstance(value, dict):
        return {readable(name): readable(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [readable(one) for one in value]
    return value
