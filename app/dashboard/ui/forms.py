"""Forms from pydantic models: fields with their help, what was written, and what is wrong with it beside each."""

import enum
import types
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Field:
    """A field of a form: `kind` is text, password, number, choice, check, lines (one value a line) or long."""

    name: str
    label: str
    kind: str
    help: str
    value: Any
    required: bool
    choices: tuple[str, ...] = ()
    problem: str = ""
    low: float | None = None
    high: float | None = None


def fields(
    model: type[BaseModel], values: dict[str, Any] | None = None, problems: dict[str, str] | None = None, *, only: tuple[str, ...] = ()
) -> list[Field]:
    """Return the fields of a model, filled with `values`; `only` names some, in their order."""
    names = only or tuple(model.model_fields)
    return [_field(name, model.model_fields[name], values or {}, problems or {}) for name in names]


def read(model: type[BaseModel], written: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a form: return what it says in the shapes that the model takes, and what is wrong, by field."""
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        kind, _ = _kind(field.annotation)
        if kind == "check":
            values[name] = name in written
        elif name in written:
            text = str(written[name])
            if kind == "lines":
                values[name] = [line.strip() for line in text.splitlines() if line.strip()]
            elif text.strip() or field.is_required():
                values[name] = text if kind in ("long", "password") else text.strip()
    try:
        model.model_validate(values)
    except ValidationError as error:
        return values, {str(one["loc"][0]) if one["loc"] else "": _worded(one) for one in error.errors()}
    return values, {}


def _worded(error: Any) -> str:
    if error["type"] == "missing" or (error["type"] == "string_too_short" and not error["input"]):
        return "This is needed."
    text = str(error["msg"]).removeprefix("Value error, ")
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _field(name: str, field: FieldInfo, values: dict[str, Any], problems: dict[str, str]) -> Field:
    kind, choices = _kind(field.annotation)
    value = values.get(name, None if field.is_required() else field.get_default(call_default_factory=True))
    if kind == "lines":
        value = "\n".join(str(one) for one in value or ())
    bounds = {limit: getattr(one, limit, None) for one in field.metadata for limit in ("ge", "le") if getattr(one, limit, None) is not None}
    return Field(
        name=name,
        label=field.title or name.replace("_", " ").capitalize(),
        kind=kind,
        help=field.description or "",
        value="" if value is None else value,
        required=field.is_required(),
        choices=choices,
        problem=problems.get(name, ""),
        low=bounds.get("ge"),
        high=bounds.get("le"),
    )


def _kind(annotation: Any) -> tuple[str, tuple[str, ...]]:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _kind(next(one for one in get_args(annotation) if one is not type(None)))
    if origin is Literal:
        return "choice", tuple(str(one) for one in get_args(annotation))
    if origin in (list, tuple, set, frozenset):
        return "lines", ()
    if origin is not None and get_args(annotation):
        return _kind(get_args(annotation)[0])
    if annotation is bool:
        return "check", ()
    if annotation in (int, float):
        return "number", ()
    if annotation is SecretStr:
        return "password", ()
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return "choice", tuple(str(one.value) for one in annotation)
    return "text", ()
