"""Every spelling of a Redis URL that the documents promise, and what is said of one that makes no sense."""

import pytest
from pydantic import ValidationError

from app.core.redis_url import RedisUrl, parse_redis_url
from app.core.settings import Settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://cache", RedisUrl("single", (("cache", 6379),))),
        ("redis://:p%40ss@cache:7000/3", RedisUrl("single", (("cache", 7000),), password="p@ss", database=3)),
        ("rediss://me:pw@[::1]:7000?db=2", RedisUrl("single", (("::1", 7000),), tls=True, username="me", password="pw", database=2)),
        ("rediss://c?ssl_ca_certs=%2Fca.pem", RedisUrl("single", (("c", 6379),), tls=True, ca_certs="/ca.pem")),
        ("unix:///run/a%20b/valkey.sock?db=1", RedisUrl("single", (("/run/a b/valkey.sock", 0),), database=1)),
        (
            "redis+sentinel://u:p@s1,s2:26380/shop/4?sentinel_password=q",
            RedisUrl(
                "sentinel", (("s1", 26379), ("s2", 26380)), username="u", password="p", database=4, service="shop", sentinel_password="q"
            ),
        ),
        ("rediss+sentinel://s1/shop", RedisUrl("sentinel", (("s1", 26379),), tls=True, service="shop")),
        ("redis+cluster://n1:7000,[fe80::1]:7001,n3", RedisUrl("cluster", (("n1", 7000), ("fe80::1", 7001), ("n3", 6379)))),
        ("rediss+cluster://:p@n1", RedisUrl("cluster", (("n1", 6379),), tls=True, password="p")),
    ],
)  # fmt: skip
def test_a_url_is_read_as_it_is_documented(text: str, expected: RedisUrl) -> None:
    assert parse_redis_url(text) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("http://u:hidden@cache", "begins with redis"),
        ("redis+magic://:hidden@cache", "begins with redis"),
        ("redis://:hidden@a,b", "several hosts"),
        ("redis+sentinel://:hidden@s1:26379", "name of the service"),
        ("redis+cluster://:hidden@n1/2", "no database numbers"),
        ("redis://:hidden@cache:port", "must be a number"),
        ("redis://:hidden@cache/one", "must be a number"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused_without_telling_its_password(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        parse_redis_url(text)
    assert "hidden" not in str(caught.value)


def test_a_setting_that_cannot_be_read_is_refused_at_the_start() -> None:
    with pytest.raises(ValidationError, match="name of the service"):
        Settings(redis_url="redis+sentinel://s1:26379")
