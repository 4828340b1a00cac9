"""People who sign in: invitations, passwords, second factors, roles, sessions, and the lines they leave in the audit log."""

import asyncio
import time

import httpx
import pyotp
import pytest

from app.access.accounts import service as accounts
from app.access.accounts.domain import Role, check_password, pause_s
from app.access.accounts.passwords import totp_step
from app.access.domain import RuleBroken, Scope
from app.core.db import Database

PASSWORD = "a horse reads quietly"


class Person:
    """Somebody at the API with a session."""

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self.token = token
        self._http = http

    async def __call__(self, method: str, path: str, **more: object) -> httpx.Response:
        return await self._http.request(method, f"/v1/admin{path}", headers={"Authorization": f"Bearer {self.token}"}, **more)  # type: ignore[arg-type]


async def entered(http: httpx.AsyncClient, link: str, password: str = PASSWORD) -> Person:
    """Use a link and choose a password."""
    answer = await http.post("/login/links", json={"link": link, "password": password})
    assert answer.status_code == 201, answer.text
    return Person(http, answer.json()["token"])


@pytest.fixture
async def admin(http: httpx.AsyncClient, db: Database, tenant: int) -> Person:
    """The first administrator."""
    link = await accounts.first_link(db, tenant)
    assert link
    return await entered(http, link)


async def invited(admin: Person, http: httpx.AsyncClient, role: str, email: str = "") -> Person:
    """Somebody with a role."""
    made = await admin("POST", "/accounts", json={"email": email or f"{role}@shop.example", "role": role})
    assert made.status_code == 201, made.text
    return await entered(http, made.json()["link"])


async def sign_in(http: httpx.AsyncClient, email: str, password: str, code: str = "") -> httpx.Response:
    return await http.post("/login", json={"email": email, "password": password, "code": code})


async def test_the_first_link_leads_in_once_and_is_made_no_more_afterwards(http: httpx.AsyncClient, db: Database, tenant: int) -> None:
    forgotten = await accounts.first_link(db, tenant)
    link = await accounts.first_link(db, tenant)
    assert (await http.post("/login/links", json={"link": forgotten, "password": PASSWORD})).status_code == 404
    assert (await http.get(f"/login/links/{link}")).json()["purpose"] == "first"
    await entered(http, str(link))
    assert (await http.post("/login/links", json={"link": link, "password": PASSWORD})).status_code == 404
    assert await accounts.first_link(db, tenant) is None


async def test_the_demos_link_leads_in_again_and_again(http: httpx.AsyncClient, db: Database, tenant: int) -> None:
    link = await accounts.first_link(db, tenant, "demo@localhost", "demo")
    tokens = {(await http.post("/login/links", json={"link": link})).json()["token"] for _ in range(2)}
    assert len(tokens) == 2


async def test_somebody_invited_chooses_a_password_and_signs_in_with_it(admin: Person, http: httpx.AsyncClient) -> None:
    anna = await invited(admin, http, "marketer", "Anna@Shop.example")
    assert (await anna("GET", "/me")).json()["role"] == "marketer"
    again = await sign_in(http, "anna@shop.EXAMPLE", PASSWORD)
    assert again.status_code == 201
    assert again.json()["role"] == "marketer"
    assert (await sign_in(http, "anna@shop.example", "another password")).json()["code"] == "unauthorized"
    assert (await admin("POST", "/accounts", json={"email": "anna@shop.example", "role": "viewer"})).status_code == 409


@pytest.mark.parametrize("password", ["short", "a" * 30, "x" * 201, "anna@shop.example"])
def test_a_password_that_is_easy_to_guess_is_refused(password: str) -> None:
    with pytest.raises(RuleBroken):
        check_password(password, "anna@shop.example")


async def test_wrong_passwords_are_slowed_down_even_when_they_come_at_once(admin: Person, http: httpx.AsyncClient, db: Database) -> None:
    await invited(admin, http, "viewer", "v@shop.example")
    answers = await asyncio.gather(*(sign_in(http, "v@shop.example", f"wrong {number}") for number in range(10)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 4
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    await db.run("update account set locked_until = now() + interval '1 minute'")
    assert (await sign_in(http, "v@shop.example", PASSWORD)).status_code == 429, "the right one waits too"
    assert [pause_s(failures) for failures in (4, 5, 6, 40)] == [0, 2, 4, 900]


async def test_a_second_factor_is_asked_for_once_it_is_on_and_a_code_holds_once(admin: Person, http: httpx.AsyncClient) -> None:
    anna = await invited(admin, http, "marketer", "anna@shop.example")
    secret = (await anna("POST", "/me/second-factor")).json()["secret"]
    assert (await sign_in(http, "anna@shop.example", PASSWORD)).status_code == 201, "not on before a code was sent"
    code = pyotp.TOTP(secret).now()
    assert (await anna("PATCH", "/me", json={"password": PASSWORD, "code": "000000"})).status_code in (400,)
    assert (await anna("PATCH", "/me", json={"password": PASSWORD, "code": code})).status_code == 200
    assert (await sign_in(http, "anna@shop.example", PASSWORD)).json()["code"] == "second_factor"
    assert (await sign_in(http, "anna@shop.example", PASSWORD, code)).status_code == 401, "used already"
    assert (await sign_in(http, "anna@shop.example", PASSWORD, pyotp.TOTP(secret).at(time.time() + 30))).status_code == 201


def test_a_code_is_taken_one_step_late_or_early_and_no_more() -> None:
    secret = pyotp.random_base32()
    made = pyotp.TOTP(secret)
    now = 1_700_000_000.0
    fits = [offset for offset in (-60, -30, 0, 30, 60) if totp_step(secret, made.at(now + offset), 0, now) is not None]
    assert fits == [-30, 0, 30]
    assert totp_step(secret, "१२३४५६", 0, now) is None


async def test_sessions_are_listed_and_end_by_sign_out_by_revoking_and_with_the_account(admin: Person, http: httpx.AsyncClient) -> None:
    anna = await invited(admin, http, "viewer", "anna@shop.example")
    phone = Person(http, (await sign_in(http, "anna@shop.example", PASSWORD)).json()["token"])
    listed = (await anna("GET", "/sessions")).json()["sessions"]
    assert sorted(one["current"] for one in listed) == [False, True]
    other = next(one["session_no"] for one in listed if not one["current"])
    assert (await anna("DELETE", f"/sessions/{other}")).status_code == 200
    assert (await phone("GET", "/me")).status_code == 401
    number = next(one["account_no"] for one in (await admin("GET", "/accounts")).json()["accounts"] if one["email"] == "anna@shop.example")
    assert (await admin("PATCH", f"/accounts/{number}", json={"disabled": True})).json()["account"]["disabled"] is True
    assert (await anna("GET", "/me")).status_code == 401
    assert (await sign_in(http, "anna@shop.example", PASSWORD)).status_code == 401
    assert (await admin("DELETE", "/sessions/current")).status_code == 200
    assert (await admin("GET", "/me")).status_code == 401


async def test_a_session_ends_when_it_is_not_used_and_in_any_case_at_its_end(admin: Person, db: Database) -> None:
    await db.run("update account_session set seen_at = now() - interval '13 hours'")
    assert (await admin("GET", "/me")).status_code == 401
    await db.run("update account_session set seen_at = now(), ends_at = now() - interval '1 second'")
    assert (await admin("GET", "/me")).status_code == 401


async def test_somebody_stays_administrator(admin: Person) -> None:
    number = (await admin("GET", "/accounts")).json()["accounts"][0]["account_no"]
    assert (await admin("PATCH", f"/accounts/{number}", json={"role": "viewer"})).status_code == 409
    assert (await admin("PATCH", f"/accounts/{number}", json={"disabled": True})).status_code == 409
    assert (await admin("GET", "/accounts")).status_code == 200


async def test_nobody_gives_what_they_do_not_hold(admin: Person, http: httpx.AsyncClient) -> None:
    engineer = await invited(admin, http, "engineer")
    assert (await engineer("POST", "/clients", json={"name": "x", "scopes": ["recommend"]})).status_code == 201
    assert (await engineer("POST", "/clients", json={"name": "x", "scopes": ["admin"]})).status_code == 403
    strong = (await admin("POST", "/clients", json={"name": "x", "scopes": ["admin"]})).json()["client_id"]
    assert (await engineer("POST", f"/clients/{strong}/keys", json={})).status_code == 403
    assert (await admin("POST", f"/clients/{strong}/keys", json={})).status_code == 201


async def test_every_change_names_who_made_it(admin: Person, http: httpx.AsyncClient) -> None:
    engineer = await invited(admin, http, "engineer", "eva@shop.example")
    made = (await engineer("POST", "/clients", json={"name": "Braze", "scopes": ["recommend"]})).json()["client_id"]
    key = (await engineer("POST", f"/clients/{made}/keys", json={})).json()["key_no"]
    await engineer("DELETE", f"/keys/{key}")
    await engineer("DELETE", f"/clients/{made}")
    page = (await admin("GET", "/audit", params={"who": "eva@shop.example", "limit": 3})).json()
    assert [(line["what"], line["kind"], line["name"]) for line in page["lines"]] == [
        ("revoke", "client", made), ("revoke", "key", str(key)), ("create", "key", str(key))
    ]  # fmt: skip
    rest = (await admin("GET", "/audit", params={"who": "eva@shop.example", "before": page["next"]})).json()
    assert [line["what"] for line in rest["lines"]] == ["create", "sign in"]


async def test_a_program_has_no_session_and_a_session_no_answers(admin: Person, http: httpx.AsyncClient, make, token) -> None:
    program = {"Authorization": f"Bearer {await token(await make(scopes=(Scope.ADMIN,)))}"}
    assert (await http.get("/v1/admin/sessions", headers=program)).status_code == 401
    assert (await http.get("/v1/admin/me", headers=program)).json()["role"] is None
    assert (await http.get("/v1/recommendations", headers={"Authorization": f"Bearer {admin.token}"})).status_code == 401


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 403), (Role.MARKETER, 403), (Role.ENGINEER, 403), (Role.ADMIN, 200)])
async def test_only_administrators_see_accounts(admin: Person, http: httpx.AsyncClient, role: Role, status: int) -> None:
    assert (await (await invited(admin, http, role, "x@shop.example"))("GET", "/accounts")).status_code == status
