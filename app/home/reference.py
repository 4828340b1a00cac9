"""What the OpenAPI document says, as the page of the API shows it: operations by their tag, and the shapes that they name."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from app.core.errors import CODES, Problem

_METHODS = ("get", "post", "put", "patch", "delete", "head")
_PROBLEM = "application/problem+json"
_DEEPEST = 3
_BOUNDS = (
    ("minimum", "at least {}"), ("maximum", "at most {}"), ("minLength", "{} characters or more"), ("maxLength", "{} characters at most"),
    ("minItems", "{} or more"), ("maxItems", "{} at most"),
)  # fmt: skip


class Field(NamedTuple):
    """A parameter, or a field of a shape: its type as pieces of (text, name of a shape or empty), and what else is to be known."""

    name: str
    type: list[tuple[str, str]]
    needed: bool
    about: str
    where: str = ""
    default: str = ""


class Body(NamedTuple):
    """What is sent or answered in one media type: its type, and the fields of an object that is described in place."""

    media: str
    type: list[tuple[str, str]]
    fields: list[Field]


class Answer(NamedTuple):
    """An answer by its status; of an error `codes` are those that it may have, with what each means."""

    status: str
    about: str
    bodies: list[Body]
    codes: list[tuple[str, str]]


class Operation(NamedTuple):
    """A route with a method."""

    anchor: str
    method: str
    path: str
    about: str
    open: bool
    parameters: list[Field]
    bodies: list[Body]
    answers: list[Answer]
    errors: list[Answer]
    curl: str


class Shape(NamedTuple):
    """A shape that has a name."""

    name: str
    about: str
    type: list[tuple[str, str]]
    fields: list[Field]


def operations(document: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """Return all operations by their tag, in the order of the document."""
    found: dict[str, list[Operation]] = {}
    codes = _codes()
    for path, methods in document["paths"].items():
        for method in (one for one in _METHODS if one in methods):
            one = methods[method]
            found.setdefault((one.get("tags") or ["more"])[0], []).append(_operation(document, path, method, one, codes))
    return found


def shapes(document: Mapping[str, Any]) -> list[Shape]:
    """Return all shapes that have a name, by name."""
    return [
        Shape(name, schema.get("description", ""), [] if "properties" in schema else pieces(schema), _fields(schema))
        for name, schema in sorted(document["components"]["schemas"].items())
    ]


def _operation(
    document: Mapping[str, Any], path: str, method: str, one: Mapping[str, Any], codes: Mapping[str, list[str]]
) -> Operation:  # fmt: skip
    content = one.get("requestBody", {}).get("content", {})
    answers = [_answer(status, told, codes) for status, told in one["responses"].items()]
    return Operation(
        f"{method}-{path.strip('/').translate(str.maketrans('/{}.', '-__-')) or 'root'}", method.upper(), path, one.get("description", ""),
        not one.get("security"), [_parameter(told) for told in one.get("parameters", ())], _bodies(content),
        [one for one in answers if not one.codes], [one for one in answers if one.codes], _curl(document, path, method, one, content),
    )  # fmt: skip


def _answer(status: str, told: Mapping[str, Any], codes: Mapping[str, list[str]]) -> Answer:
    content = told.get("content", {})
    if _PROBLEM in content:
        return Answer(status, told.get("description", ""), [], [(code, CODES[code]) for code in codes.get(status, ())])
    about = told.get("description", "")
    return Answer(status, "" if about == "Successful Response" else about, _bodies(content), [])


def _codes() -> dict[str, list[str]]:
    """Return the codes of errors by their status."""
    found: dict[str, list[str]] = {}
    left: list[type[Problem]] = [Problem]
    while left:
        one = left.pop(0)
        left += one.__subclasses__()
        if one.code in CODES and one.code not in found.setdefault(str(one.status), []):
            found[str(one.status)].append(one.code)
    return found


def _bodies(content: Mapping[str, Any]) -> list[Body]:
    return [Body(media, pieces(told.get("schema", {})), _fields(told.get("schema", {}))) for media, told in content.items()]


def _parameter(told: Mapping[str, Any]) -> Field:
    schema = told.get("schema", {})
    about = told.get("description", "") or schema.get("description", "")
    needed = bool(told.get("required"))
    return Field(told["name"], pieces(schema), needed, _about(about, schema), told["in"], "" if needed else _default(schema))


def _fields(schema: Mapping[str, Any], before: str = "", depth: int = 0) -> list[Field]:
    """Return the fields of an object; of those described in place, theirs too, as `outer.inner`."""
    found = []
    for name, one in schema.get("properties", {}).items():
        needed = name in schema.get("required", ())
        found.append(
            Field(before + name, pieces(one), needed, _about(one.get("description", ""), one), "", "" if needed else _default(one))
        )
        inner, mark = (one.get("items", {}), "[]") if one.get("type") == "array" else (one, "")
        if depth < _DEEPEST:
            found += _fields(inner, f"{before}{name}{mark}.", depth + 1)
    return found


def _about(text: str, schema: Mapping[str, Any]) -> str:
    bounds = [words.format(schema[name]) for name, words in _BOUNDS if name in schema]
    said = "; ".join(bounds)
    return " ".join(filter(None, (text, f"{said[0].upper()}{said[1:]}." if said else "")))


def _default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    return "" if default in (None, "", [], {}) else json.dumps(default, ensure_ascii=False)


def pieces(schema: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a type in words, as pieces of (text, name of a shape or empty)."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return [(name, name)]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return _joined([pieces(one) for one in schema[several]])
    if "enum" in schema or "const" in schema:
        return [(" | ".join(json.dumps(one, ensure_ascii=False) for one in schema.get("enum", [schema.get("const")])), "")]
    kind = schema.get("type", "any")
    if kind == "array":
        return [("list of ", ""), *pieces(schema.get("items", {}))]
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return [("object of ", ""), *pieces(schema["additionalProperties"])]
    return [(f"{kind} ({schema['format']})" if "format" in schema else str(kind), "")]


def _joined(several: list[list[tuple[str, str]]]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for one in several:
        found += [(" | ", ""), *one] if found else one
    return found


def _curl(document: Mapping[str, Any], path: str, method: str, one: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    needed = [told for told in one.get("parameters", ()) if told["in"] == "query" and told.get("required")]
    query = "&".join(f"{told['name']}=..." for told in needed)
    address = path.replace("{", "$").replace("}", "").replace("$$", "$") + (f"?{query}" if query else "")
    parts = [f'curl{"" if method == "get" else " -I" if method == "head" else f" -X {method.upper()}"} "$MORSEL{address}"']
    if one.get("security"):
        parts.append('-H "X-Api-Key: $KEY"')
    if "application/json" in content:
        example = json.dumps(_example(document, content["application/json"].get("schema", {})), ensure_ascii=False)
        parts += ["-H 'Content-Type: application/json'", "-d '" + example.replace("'", "'\\''") + "'"]
    elif content:
        media = next(iter(content))
        sent = "--data-binary @FILE" if media in ("application/octet-stream", "text/plain") else "-d '" + "&".join(
            f"{name}=..." for name in _resolved(document, content[media].get("schema", {})).get("required", ())
        ) + "'"  # fmt: skip
        parts += [f"-H 'Content-Type: {media}'", sent]
    return " \\\n  ".join(parts)


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _example(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> Any:
    """Return a value that has what a schema asks for, and no more."""
    schema = _resolved(document, schema)
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    if "examples" in schema or "enum" in schema:
        return (schema.get("examples") or schema["enum"])[0]
    for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        if one.get("type") != "null":
            return _example(document, one, depth + 1)
    kind = schema.get("type", "object")
    if kind == "object":
        return dict(_needed(document, schema, depth)) if depth <= _DEEPEST else {}
    if kind == "array":
        return [_example(document, schema.get("items", {}), depth + 1)] if depth <= _DEEPEST else []
    return {"string": "...", "integer": schema.get("minimum", 1), "number": schema.get("minimum", 1), "boolean": True}.get(kind)


def _needed(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    for name, one in schema.get("properties", {}).items():
        if name in schema.get("required", ()):
            yield name, _example(document, one, depth + 1)
