"""What callers ask for and did not mean: told, and with `strict=1` refused; never somebody else's answer."""

from typing import Any

import httpx2
import pytest

from app.access.domain import ClientKind, Principal, Scope
from app.core.errors import BadRequest
from app.serving.edge.asgi import query
from app.serving.edge.parameters import parse
from app.serving.model.call import Call
from tests.serving.shop import Shop

ROUTE = "/v1/recommendations"
CALLER = Principal(1, 1, "mc", ClientKind.ESP, frozenset({Scope.RECOMMEND}), "10/second", "popular")


def asked(address: str) -> Call:
    given = query(address)
    return parse(CALLER, given, given.get("placement", "").strip(), "json")


@pytest.mark.parametrize(
    "user", ["%7B%7B%24%7Buser_id%7D%7D%7D", "{{${user_id}}}", "%25%25subscriberkey%25%25", "null", "undefined", "*%7CEMAIL%7C*"]
)
def test_an_unfilled_tag_is_a_stranger_and_told(user: str) -> None:
    call = asked(f"placement=email-grid&user_id={user}")
    assert (call.user, call.key) == ("", b"")
    assert ["names nobody" in one for one in call.warnings] == [True]
    with pytest.raises(BadRequest, match="names nobody"):
        asked(f"placement=email-grid&user_id={user}&strict=1")


def test_another_id_beside_an_unfilled_tag_counts() -> None:
    assert asked("placement=email-grid&user_id=undefined&anonymous_id=dev").user == "dev"


def test_ids_are_trimmed_as_in_events() -> None:
    assert asked("user_id=%20ann%20").key == asked("user_id=ann").key


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("userid", "user_id"), ("userId", "user_id"), ("user-id", "user_id"), ("uid", "user_id"), ("usr_id", "user_id"),
        ("user_idd", "user_id"), ("anonymousId", "anonymous_id"), ("limits", "limit"), ("placment", "placement"), ("categroy", "category"),
        ("Strict", "strict"),
    ],
)  # fmt: skip
def test_a_misspelt_parameter_is_told_with_the_nearest(name: str, nearest: str) -> None:
    assert asked(f"placement=email-grid&{name}=u1").warnings == [f"{name}: is no parameter and was not read; is {nearest} meant?"]
    with pytest.raises(BadRequest, match=nearest):
        asked(f"placement=email-grid&{name}=u1&strict=1")


def test_an_unknown_parameter_is_told_shortly_and_a_few_times_only() -> None:
    assert asked("wholly_other=1").warnings == ["wholly_other: is no parameter and was not read"]
    call = asked("&".join(f"{'x' * 500}{place}=1" for place in range(100)))
    assert len(call.warnings) == 8
    assert max(map(len, call.warnings)) < 100


def test_marks_of_campaigns_are_no_misspelt_parameters() -> None:
    assert asked("placement=email-grid&utm_source=mail&gclid=1&_=17&strict=1&key=k").warnings == ()


def test_parameters_behind_a_second_question_mark_are_read_and_told() -> None:
    call = asked("placement=email-grid?user_id=u1&limit=3")
    assert (call.placement, call.user, call.limit) == ("email-grid", "u1", 3)
    assert ["second ?" in one for one in call.warnings] == [True]


async def test_what_was_not_meant_is_told_in_the_answer(shop: Shop) -> None:
    headers = {"X-Api-Key": shop.key}

    async def get(address: str) -> Any:
        return (await shop.http.get(f"{ROUTE}?{address}", headers=headers)).json()

    async def post(body: bytes, kind: str) -> httpx2.Response:
        return await shop.http.post(ROUTE, content=body, headers={**headers, "Content-Type": kind})

    found = await get("placement=email-grid&user_id={{${user_id}}}")
    assert (found["user_id"], found["fallback_reason"], bool(found["items"])) == ("", "no_user", True)
    assert (await get("placement=pdp-similar&item_id=i1,gone"))["warnings"] == ["item_id: the catalogue does not know gone"]
    assert (await get("placement=pdp-similar&item_id=i1"))["warnings"] == []
    assert (await get("placement=email-grid&userid=u1&strict=1"))["code"] == "bad_request"
    assert (await get("placement=pdp-similar&item_id=gone&strict=1"))["code"] == "bad_request"
    # a form's type is what many platforms send, whatever the body is
    body = b' {"placement": "email-grid", "user_id": "u1", "limit": 2}'
    answer = (await post(body, "application/x-www-form-urlencoded")).json()
    assert (answer["placement"], answer["user_id"], answer["item_count"], answer["warnings"]) == ("email-grid", "u1", 2, [])
    answer = (await post(b"placement=email-grid&user_id=u1&limit=2", "application/x-www-form-urlencoded")).json()
    assert (answer["user_id"], answer["item_count"]) == ("u1", 2)
    answer = (await post(b'{"placement": "email-grid", "user_id": 98765432109876543210}', "application/json")).json()
    assert answer["user_id"] == "98765432109876543210"
    ranked = (await shop.http.post("/v1/rank", json={"user_id": "{{ id }}", "items": ["i1", "i2"]}, headers=headers)).json()
    assert ranked["source"] == "popular"
    assert "names nobody" in ranked["warnings"][0]
