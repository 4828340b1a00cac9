"""Parameters of a recommender by dotted path: `members.ease.penalty=100`, `scoring.kind_weights.view=0.3`."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from app.core.errors import Invalid
from app.ml import contract

_MEMBER = "recommender"
"""Field of a blend's member that its own parameters are reached through without being named."""


_TRIES = "tries"
"""Field of a blend's member with other settings, which stand aside once its own are changed."""


def changed(name: str, config: Any, changes: Mapping[str, str]) -> Any:
    """Return a configuration with parameters changed from text; raises Invalid for a path it does not have, or a text that is no number.

    A path leads through fields, through the members of a blend by their names, and into the weights of the kinds by kind; where several
    numbers stand, all of them may be given with commas between.
    """
    for path, text in changes.items():
        try:
            config = _set(config, path.split("."), text)
        except LookupError:
            raise Invalid(f"{name} has no number {path}; {near(path, list(paths(config)))}") from None
        except ValueError as error:
            raise Invalid(f"{path}: {error}") from None
    return config


def paths(config: Any) -> Iterator[str]:
    """Yield every path of a configuration that a number, or several, can be set at."""
    if isinstance(config, int | float):
        return
    for key, value in _inside(config).items():
        if isinstance(value, int | float):
            yield key
        else:
            if _numbers(value):
                yield key
            yield from (f"{key}.{below}" for below in paths(value))


def near(name: str, known: Sequence[str]) -> str:
    """Say which known name is meant, by its last part or by its letters, or which there are."""
    last = name.rpartition(".")[2]
    found = [one for one in known if one.rpartition(".")[2] == last] or difflib.get_close_matches(name, known, 2, 0.6)
    below = [one for one in known if one.startswith(f"{name}.")]
    if found or below:
        return f"did you mean {' or '.join((found or below)[:3])}?"
    return f"there are {', '.join(known)}." if known else "it has none."


def _inside(value: Any) -> dict[str, Any]:
    """Return what can be named inside a configuration."""
    if is_dataclass(value) and not isinstance(value, type):
        own = {one.name: getattr(value, one.name) for one in fields(value) if one.name != _TRIES}
        own = {name: one for name, one in own.items() if not isinstance(one, bool)}
        member = own.pop(_MEMBER, None)
        return own | (_inside(member) if member is not None else {})
    if _numbers(value):
        return dict(zip(contract.KINDS, value, strict=True)) if len(value) == len(contract.KINDS) else {}
    return {_spelled(one): one for one in value} if isinstance(value, tuple) else {}


def _numbers(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(one, int | float) for one in value)


def _spelled(member: Any) -> str:
    """Return the name of a blend's member: that of its class, in small letters."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(getattr(member, _MEMBER, member)).__name__).lower()


def _set(value: Any, path: list[str], text: str) -> Any:
    if not path:
        return _read(value, text)
    first, rest = path[0], path[1:]
    inside = _inside(value)
    if first not in inside:
        raise LookupError(first)
    new = _set(inside[first], rest, text)
    if isinstance(value, tuple):
        return tuple(new if key == first else old for key, old in inside.items())
    if first not in (one.name for one in fields(value)):
        return replace(value, **{_MEMBER: replace(getattr(value, _MEMBER), **{first: new})})
    return replace(value, **{first: new})


def _read(value: Any, text: str) -> Any:
    """Read a text as the number, or the numbers, that stand there now."""
    if _numbers(value):
        return tuple(_number(float, one) for one in text.split(","))
    if isinstance(value, int | float):
        return _number(type(value), text)
    raise LookupError(text)


def _number(kind: type, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{text.strip() or 'nothing'} is not {'a whole' if kind is int else 'a'} number") from None
