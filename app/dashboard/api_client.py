"""Calls the admin API for whoever is signed in; the dashboard has no credential of its own."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

_LONGEST_S = 30.0


class ApiAway(Exception):
    """The API cannot be reached, or says that a part of it cannot."""


class ApiProblem(Exception):
    """The API refused; `detail` says why in words, `errors` names the fields."""

    def __init__(self, status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.errors = errors or []

    @property
    def fields(self) -> dict[str, str]:
        """What is wrong, by field."""
        return {one.get("field", ""): one.get("message", "") for one in self.errors}


class Api:
    """The admin API, as one person may use it."""

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self._http, self._headers = http, {"Authorization": f"Bearer {token}"} if token else {}

    async def get(self, path: str, **query: Any) -> Any:
        """Return what stands under a path."""
        return (await self.call("GET", path, params={name: value for name, value in query.items() if value not in (None, "")})).json()

    async def send(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, **query: Any) -> Any:
        """Change something and return the answer, None where there is none."""
        answer = await self.call(method, path, json=body, headers=headers, params=query)
        return answer.json() if answer.content else None

    async def call(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> httpx.Response:
        """Return the whole answer; raises ApiAway and ApiProblem."""
        try:
            answer = await self._asked(method, path, headers={**self._headers, **(headers or {})}, **more)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ApiAway(type(error).__name__) from error
        if answer.status_code >= 400:
            raise _problem(answer)
        return answer

    async def pieces(self, path: str) -> AsyncIterator[bytes]:
        """Give a large answer piece by piece; raises ApiAway and ApiProblem before the first one."""
        try:
            async with self._http.stream("GET", path, headers=self._headers) as answer:
                if answer.status_code >= 400:
                    await answer.aread()
                    raise _problem(answer)
                yield b""
                async for piece in answer.aiter_bytes():
                    yield piece
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ApiAway(type(error).__name__) from error

    async def _asked(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return await self._http.request(method, path, **more)
        except (httpx.ReadError, httpx.RemoteProtocolError):
            # a kept connection that the server closed at this very moment; what only reads may be asked again
            if method != "GET":
                raise
            return await self._http.request(method, path, **more)


def client(base_url: str) -> httpx.AsyncClient:
    """Return the connections to the API."""
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=3)
    return httpx.AsyncClient(base_url=base_url, timeout=_LONGEST_S, limits=limits, headers={"User-Agent": "morsel-dashboard"})


def part(text: str) -> str:
    """Return an id or a name as one part of a path, whatever characters it has."""
    return quote(text, safe="")


def _problem(answer: httpx.Response) -> Exception:
    try:
        told = answer.json()
        code, detail, errors = str(told["code"]), str(told["detail"]), told.get("errors")
    except (ValueError, KeyError, TypeError):
        code, detail, errors = "internal", f"The API answered {answer.status_code}.", None
    if code != "provider_away" and (answer.status_code in (502, 503, 504) or code == "unavailable"):
        return ApiAway(detail)
    return ApiProblem(answer.status_code, code, detail, errors)
