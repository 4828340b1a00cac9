"""The AMPscript functions of the model, with the rules that public documentation and run-time notes give them."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx2

TIME_OUT_S = 30.0


class Stopped(Exception):
    """The send, or the page, would fail."""


class Skipped(Exception):
    """This subscriber gets no message."""


class Rowset(list[dict[str, Any]]):
    """Rows with case-insensitive names."""


Give = Callable[[int, Any], None]


def shown(value: Any) -> str:
    """Return a value as it appears in the message: nothing nested, and no needless decimals."""
    if isinstance(value, bool):
        return "True" if value else "False"
    if value is None or isinstance(value, (dict, list)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _http_get(account: Any, values: list[Any], give: Give) -> str:
    if not 1 <= len(values) <= 4:
        raise Stopped("HTTPGet takes one to four arguments: no headers")
    url, go_on, empty = str(values[0]), bool(values[1]) if len(values) > 1 else False, int(values[2]) if len(values) > 2 else 0
    if url not in account.cache:
        account.calls.append(url)
        account.cache[url] = _fetched(url, account.charset)
    status, text = account.cache[url]
    give(3, status)
    if status in (-1, -2) and not go_on:
        raise Stopped("HTTPGet failed and must not go on")
    if status == -3 and empty == 1:
        raise Stopped("empty content")
    if status == -3 and empty == 2:
        raise Skipped(url)
    return text


def _fetched(url: str, charset: str) -> tuple[int, str]:
    """Return 0 and the text, -2 for an error, -3 for an empty answer."""
    try:
        answer = httpx2.get(url, follow_redirects=False, timeout=TIME_OUT_S)
    except (httpx2.TransportError, httpx2.InvalidURL):
        return -2, ""
    if answer.status_code != 200:
        return -2, ""
    return (0, answer.content.decode(charset)) if answer.content else (-3, "")


def _http_post2(account: Any, values: list[Any], give: Give) -> int:
    url, kind, body, fatal = (str(values[0]), str(values[1]), str(values[2]), bool(values[3]) if len(values) > 3 else True)
    headers = {str(name): str(value) for name, value in zip(values[6::2], values[7::2], strict=True)}
    if {"host", "content-length"} & {name.lower() for name in headers}:
        raise Stopped("this header cannot be set")
    account.calls.append(url)
    try:
        answer = httpx2.post(url, content=body, headers={**headers, "Content-Type": kind}, follow_redirects=False, timeout=TIME_OUT_S)
    except httpx2.TransportError:
        if fatal:
            raise Stopped("HTTPPost2 failed") from None
        return 0
    if fatal and answer.status_code >= 400:
        raise Stopped("HTTPPost2 failed")
    charset = answer.charset_encoding or "cp1252"
    give(4, answer.content.decode(charset))
    give(5, Rowset({"name": name, "value": value} for name, value in answer.headers.items()))
    return answer.status_code


def _rowset(account: Any, values: list[Any], give: Give) -> Rowset:
    text, path, empty_on_error = str(values[0]), str(values[1]), int(values[2]) == 1
    try:
        found = [json.loads(text)]
    except ValueError:
        if empty_on_error:
            return Rowset()
        raise Stopped("BuildRowsetFromJSON: no JSON") from None
    for step in path.removeprefix("$").strip(".").split("."):
        name, all_of_it = step.removesuffix("[*]"), step.endswith("[*]")
        found = [node[name] for node in found if isinstance(node, dict) and name in node] if name else found
        found = [part for node in found for part in node] if all_of_it else found
    rows = Rowset()
    for node in found:
        rows.append({name.lower(): value for name, value in node.items()} if isinstance(node, dict) else {"value": node})
    return rows


def _row(account: Any, values: list[Any], give: Give) -> dict[str, Any]:
    rows, number = values
    if not 1 <= int(number) <= len(rows):
        raise Stopped("Row: out of range")
    found: dict[str, Any] = rows[int(number) - 1]
    return found


def _field(account: Any, values: list[Any], give: Give) -> str:
    row, name = values[0], str(values[1]).lower()
    if name not in row:
        if len(values) > 2 and int(values[2]) == 0:
            return ""
        raise Stopped(f"Field: no {name}")
    return shown(row[name])


FUNCTIONS: dict[str, Callable[[Any, list[Any], Give], Any]] = {
    "concat": lambda account, values, give: "".join(map(shown, values)),
    "urlencode": lambda account, values, give: quote(shown(values[0]), safe=""),
    "v": lambda account, values, give: shown(values[0]),
    # Marketing Cloud puts its click processor in front; the address itself is what can be checked
    "redirectto": lambda account, values, give: shown(values[0]),
    "rowcount": lambda account, values, give: len(values[0]),
    "row": _row,
    "field": _field,
    "httpget": _http_get,
    "httppost2": _http_post2,
    "buildrowsetfromjson": _rowset,
}
