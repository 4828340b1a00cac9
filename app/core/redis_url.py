"""How `MORSEL_REDIS_URL` is spelled: one server, the master that Sentinels name, or a Cluster."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

Endpoint = tuple[str, int]
"""Host and port; a unix socket is its path and 0."""

_KINDS: dict[str, Literal["single", "sentinel", "cluster"]] = {"": "single", "sentinel": "sentinel", "cluster": "cluster"}
_PORTS = {"single": 6379, "sentinel": 26379, "cluster": 6379}


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A URL in its parts. `endpoints` are the server, the Sentinels, or some nodes of the Cluster, which tell of the rest."""

    kind: Literal["single", "sentinel", "cluster"]
    endpoints: tuple[Endpoint, ...]
    tls: bool = False
    ca_certs: str = ""
    username: str = ""
    password: str = ""
    database: int = 0
    service: str = ""
    sentinel_username: str = ""
    sentinel_password: str = ""


# long: one spelling, read from left to right
def parse_redis_url(text: str) -> RedisUrl:
    """Take a URL apart; raises ValueError, whose text holds no password.

    `redis://[user:pass@]host[:port][/db]`, `unix:///path[?db=n]`, `redis+sentinel://[user:pass@]host[:port],.../service[/db]`,
    `redis+cluster://[user:pass@]host[:port],...`; `rediss` instead of `redis` means TLS.
    """
    scheme, _, rest = text.partition("://")
    if scheme == "unix":
        parts = urlsplit(text)
        username, password = unquote(parts.username or ""), unquote(parts.password or "")
        path = unquote(parts.path)
        return RedisUrl("single", ((path, 0),), username=username, password=password, database=_number(_query(parts.query), ""))
    base, _, kind_name = scheme.partition("+")
    kind = _KINDS.get(kind_name)
    if base not in ("redis", "rediss") or kind is None:
        raise ValueError(
            f"a Redis URL begins with redis, rediss or unix, with +sentinel or +cluster where that is meant; not with {scheme!r}"
        )
    rest, _, query_text = rest.partition("?")
    places, _, path = rest.partition("/")
    login, _, hosts = places.rpartition("@")
    username, _, password = login.partition(":")
    query = _query(query_text)
    endpoints = tuple(_endpoint(one, _PORTS[kind]) for one in hosts.split(","))
    if kind == "single" and len(endpoints) > 1:
        raise ValueError("several hosts in a Redis URL need redis+sentinel:// or redis+cluster://")
    service = ""
    if kind == "sentinel":
        service, _, path = path.partition("/")
        if not service:
            raise ValueError("redis+sentinel:// needs the name of the service: redis+sentinel://host:port,host:port/service")
    database = _number(query, path.strip("/"))
    if kind == "cluster" and database:
        raise ValueError("a Redis Cluster has no database numbers")
    return RedisUrl(
        kind,
        endpoints,
        base == "rediss",
        query.get("ssl_ca_certs", ""),
        unquote(username) or query.get("username", ""),
        unquote(password) or query.get("password", ""),
        database,
        unquote(service),
        query.get("sentinel_username", ""),
        query.get("sentinel_password", ""),
    )


def _query(text: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(text).items()}


def _number(query: dict[str, str], path: str) -> int:
    try:
        return int(query.get("db") or path or 0)
    except ValueError:
        raise ValueError("the database of a Redis URL must be a number") from None


def _endpoint(text: str, port: int) -> Endpoint:
    """Read host, host:port, [v6] or [v6]:port."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        number = rest.removeprefix(":")
    else:
        host, _, number = text.partition(":")
    try:
        return host or "127.0.0.1", int(number) if number else port
    except ValueError:
        raise ValueError("the port of a Redis URL must be a number") from None
