"""Tokens that must not get in, whatever they look like: always 401 problem+json, never a fault."""

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jose import jwk, jws

from app.access import service
from app.access.authenticator import Authenticator
from app.access.directory import AccessDirectory, ClientRecord, SigningKey
from app.access.domain import ClientKind, Scope
from app.access.limits.leases import Limiter
from app.access.runtime import Access
from app.access.tokens import jwt
from app.access.tokens.keys import Sealer
from app.access.tokens.rotation import rotate
from app.core.errors import Forbidden, Unauthorized
from app.core.settings import Settings
from tests.access.conftest import build_app


def b64(data: bytes | str | dict[str, Any]) -> str:
    raw = json.dumps(data).encode() if isinstance(data, dict) else data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Forge:
    """Signs anything with the server's own key, so that only the claim under test is wrong."""

    def __init__(self, access: Access, client_id: str) -> None:
        self.record = access.directory.signing(1, "token")[0]
        pem = Sealer(access.settings).open(1, self.record.kid, self.record.sealed)
        assert pem is not None
        self.key = jwk.construct(pem.decode(), "RS256")
        self.pem = self.record.public_pem or ""
        now = int(time.time())
        self.claims = {
            "iss": "morsel", "aud": "morsel", "sub": client_id, "client_id": client_id, "tenant": 1,
            "scope": "catalog", "jti": "j", "iat": now, "exp": now + 600,
        }  # fmt: skip
        self.header = {"alg": "RS256", "kid": self.record.kid, "typ": "at+jwt"}

    def signed(self, head: str, body: str, key: Any = None) -> str:
        signature = (key or self.key).sign(f"{head}.{body}".encode())
        return f"{head}.{body}.{b64(signature)}"

    def token(self, header: dict[str, Any] | None = None, drop: str = "", **claims: Any) -> str:
        body = {**self.claims, **claims}
        body.pop(drop, None)
        return self.signed(b64({**self.header, **(header or {})}), b64(body))

    def raw(self, body: str, header: str = "") -> str:
        return self.signed(b64(header or json.dumps(self.header)), b64(body))


@pytest.fixture
async def forge(access: Access, make) -> Forge:
    client = await make()
    return Forge(access, client.client_id)


@pytest.fixture(scope="module")
def offline() -> Access:
    """An access part with one client in memory, and neither database nor Redis."""
    settings = Settings(secret="s" * 40, default_rate_limit="1000000/minute")
    fresh = Sealer(settings).fresh(1, "token")
    record = SigningKey(1, fresh.kid, "token", fresh.sealed, fresh.public_pem, 0.0)
    client = ClientRecord(1, 1, "mc_1", "a", ClientKind.SERVICE, frozenset({Scope.CATALOG}), "1000000/minute", "reject")
    return Access(settings, None, Limiter(None, settings), AccessDirectory.build([client], [], [record]))


@pytest.fixture(scope="module")
def fuzzed(offline: Access) -> tuple[Authenticator, Forge, bytes]:
    forge = Forge(offline, "mc_1")
    return offline.authenticator, forge, forge.token().encode()


def _hs256(forge: Forge, secret: bytes) -> str:
    head, body = b64({**forge.header, "alg": "HS256"}), b64(forge.claims)
    return f"{head}.{body}.{b64(hmac.new(secret, f'{head}.{body}'.encode(), hashlib.sha256).digest())}"


def _der(forge: Forge) -> bytes:
    public = load_pem_public_key(forge.pem.encode())
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _other_key(forge: Forge) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return forge.signed(b64(forge.header), b64(forge.claims), jwk.construct(pem.decode(), "RS256"))


def _with_time(forge: Forge, text: str) -> str:
    body = json.dumps({**forge.claims, "exp": "@"}).replace('"@"', text)
    return forge.raw(body)


NESTED = '{"a":' * 700 + "1" + "}" * 700
ATTACKS: dict[str, Callable[[Forge], str]] = {
    "nonsense": lambda f: "nonsense",
    "two parts": lambda f: f.token().rsplit(".", 1)[0],
    "five parts": lambda f: f.token() + ".a.b",
    "empty parts": lambda f: "..",
    "another key under our kid": _other_key,
    "changed payload": lambda f: ".".join([f.token().split(".")[0], b64({**f.claims, "scope": "admin"}), f.token().split(".")[2]]),
    "no signature": lambda f: f.token().rsplit(".", 1)[0] + ".",
    "alg none": lambda f: f"{b64({**f.header, 'alg': 'none'})}.{b64(f.claims)}.",
    "alg none, signed": lambda f: f.token({"alg": "none"}),
    "alg nOnE": lambda f: f.token({"alg": "nOnE"}),
    "alg missing": lambda f: f.signed(b64({"kid": f.record.kid, "typ": "at+jwt"}), b64(f.claims)),
    "alg as a dict": lambda f: f.token({"alg": {"RS256": 1}}),
    "alg as a list": lambda f: f.token({"alg": ["RS256"]}),
    "alg RS512": lambda f: f.token({"alg": "RS512"}),
    "alg with RS256 inside": lambda f: f.token({"alg": "XRS256Y"}),
    "HS256 with the public PEM": lambda f: _hs256(f, f.pem.encode()),
    "HS256 with the public PEM, stripped": lambda f: _hs256(f, f.pem.strip().encode()),
    "HS256 with the public DER": lambda f: _hs256(f, _der(f)),
    "oversized": lambda f: f.token(pad="x" * 4096),
    "huge": lambda f: f.token(pad="x" * 50_000),
    "large header": lambda f: f.token({"x": "y" * 500}),
    "nested header": lambda f: f.raw(json.dumps(f.claims), NESTED),
    "nested header, unsigned": lambda f: f"{b64('[' * 1000)}.{b64(f.claims)}.AAAA",
    "nested payload": lambda f: f.raw(NESTED),
    "header is a list": lambda f: f.raw(json.dumps(f.claims), "[1]"),
    "header is a number": lambda f: f.raw(json.dumps(f.claims), "7"),
    "header is not UTF-8": lambda f: f.signed(b64(b"\xff\xfe{}"), b64(f.claims)),
    "payload is a list": lambda f: f.raw("[1]"),
    "payload is not UTF-8": lambda f: f.signed(b64(f.header), b64(b"\xff\xfe")),
    "payload with a lone surrogate": lambda f: f.raw(json.dumps({**f.claims, "sub": "\ud800"})),
    "kid with a lone surrogate": lambda f: f.token({"kid": "\ud800"}),
    "crit": lambda f: f.token({"crit": ["b64"], "b64": False}),
    "unknown crit": lambda f: f.token({"crit": ["x"], "x": 1}),
    "empty crit": lambda f: f.token({"crit": []}),
    "another typ": lambda f: f.token({"typ": "JWT"}),
    "typ as a list": lambda f: f.token({"typ": ["at+jwt"]}),
    "kid unknown": lambda f: f.token({"kid": "t0000"}),
    "kid as a path": lambda f: f.token({"kid": "../../dev/null"}),
    "kid as a number": lambda f: f.token({"kid": 7}),
    "kid as a list": lambda f: f.token({"kid": [f.record.kid]}),
    "kid missing": lambda f: f.signed(b64({"alg": "RS256", "typ": "at+jwt"}), b64(f.claims)),
    "expired": lambda f: f.token(exp=int(time.time()) - 60, iat=int(time.time()) - 120),
    "not yet valid": lambda f: f.token(nbf=int(time.time()) + 600),
    "issued in the future": lambda f: f.token(iat=int(time.time()) + 600),
    "exp missing": lambda f: f.token(drop="exp"),
    "iat missing": lambda f: f.token(drop="iat"),
    "aud missing": lambda f: f.token(drop="aud"),
    "iss missing": lambda f: f.token(drop="iss"),
    "sub missing": lambda f: f.token(drop="sub"),
    "jti missing": lambda f: f.token(drop="jti"),
    "scope missing": lambda f: f.token(drop="scope"),
    "tenant missing": lambda f: f.token(drop="tenant"),
    "exp Infinity": lambda f: _with_time(f, "Infinity"),
    "exp -Infinity": lambda f: _with_time(f, "-Infinity"),
    "exp NaN": lambda f: _with_time(f, "NaN"),
    "exp 1e999": lambda f: _with_time(f, "1e999"),
    "exp a list": lambda f: _with_time(f, "[]"),
    "exp a dict": lambda f: _with_time(f, "{}"),
    "exp text": lambda f: _with_time(f, '"99999999999"'),
    "exp a fraction": lambda f: _with_time(f, "99999999999.5"),
    "exp true": lambda f: _with_time(f, "true"),
    "exp null": lambda f: _with_time(f, "null"),
    "exp of 900 digits": lambda f: _with_time(f, "9" * 900),
    "nbf Infinity": lambda f: f.raw(json.dumps({**f.claims, "nbf": "@"}).replace('"@"', "Infinity")),
    "another audience": lambda f: f.token(aud="other"),
    "an audience list": lambda f: f.token(aud=["morsel", "other"]),
    "another issuer": lambda f: f.token(iss="other"),
    "an issuer list": lambda f: f.token(iss=["morsel"]),
    "another tenant": lambda f: f.token(tenant=2),
    "tenant as text": lambda f: f.token(tenant="1"),
    "tenant true": lambda f: f.token(tenant=True),
    "unknown client": lambda f: f.token(sub="mc_none", client_id="mc_none"),
    "sub as a list": lambda f: f.token(sub=[1]),
    "subject is not the client": lambda f: f.token(client_id="other"),
    "jti as a dict": lambda f: f.token(jti={}),
    "scope as a list": lambda f: f.token(scope=["catalog"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_forged_token_is_refused(offline: Access, name: str):
    forge = Forge(offline, "mc_1")
    headers = {b"Authorization": b"Bearer " + ATTACKS[name](forge).encode("utf-8", "surrogatepass")}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build_app(offline)), base_url="http://morsel.test") as http:
        good = await http.get("/v1/catalogue", headers={"Authorization": f"Bearer {forge.token()}"})
        assert good.status_code == 200
        answers = [await http.get("/v1/catalogue", headers=headers) for _ in range(2)]
    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "unauthorized"
        assert "www-authenticate" in answer.headers


@pytest.mark.parametrize("tail", ["\u00e9", "\x00", " ", "\ud800", "\n", "=", "%"])
def test_a_good_token_with_foreign_characters_is_refused(fuzzed, tail: str):
    authenticator, _, whole = fuzzed
    odd = tail.encode("utf-8", "surrogatepass")
    for bad in (whole + odd + b"A", whole.replace(b".", odd + b".", 1)):
        with pytest.raises(Unauthorized):
            authenticator.authenticate([(b"authorization", b"Bearer " + bad)])


async def test_base64_that_means_the_same_is_another_token(access: Access, forge: Forge):
    whole = forge.token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = whole[:-1] + alphabet[alphabet.index(whole[-1]) + 1]
    # the library alone takes the twin for valid
    assert jws.verify(twin, forge.key.public_key(), ["RS256"])
    with pytest.raises(jwt.InvalidToken):
        access.authenticator.verify(twin.encode())


async def test_a_changed_payload_under_a_remembered_signature_is_refused(http, forge: Forge):
    whole = forge.token()
    head, _, signature = whole.split(".")
    assert (await http.get("/v1/catalogue", headers={"Authorization": f"Bearer {whole}"})).status_code == 200
    changed = f"{head}.{b64({**forge.claims, 'scope': 'admin'})}.{signature}"
    assert (await http.get("/v1/catalogue", headers={"Authorization": f"Bearer {changed}"})).status_code == 401


async def test_a_remembered_token_expires(http, access: Access, forge: Forge, monkeypatch):
    headers = {"Authorization": f"Bearer {forge.token()}"}
    assert (await http.get("/v1/catalogue", headers=headers)).status_code == 200
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 601)
    assert (await http.get("/v1/catalogue", headers=headers)).status_code == 401


async def test_a_remembered_token_of_a_revoked_client_is_refused(http, access: Access, db, make, token):
    client = await make()
    headers = {"Authorization": f"Bearer {await token(client)}"}
    assert (await http.get("/v1/catalogue", headers=headers)).status_code == 200
    await service.revoke_client(db, 1, client.client_id)
    await access.refresh()
    assert (await http.get("/v1/catalogue", headers=headers)).status_code == 401


async def test_a_remembered_token_of_a_retired_key_is_refused(http, access: Access, db, settings, forge: Forge):
    headers = {"Authorization": f"Bearer {forge.token()}"}
    assert (await http.get("/v1/catalogue", headers=headers)).status_code == 200
    await rotate(db, settings, 1, compromised=True)
    await access.refresh()
    assert (await http.get("/v1/catalogue", headers=headers)).status_code == 401


async def test_a_remembered_token_loses_what_its_client_loses(http, access: Access, db, make, token):
    client = await make()
    headers = {"Authorization": f"Bearer {await token(client)}"}
    assert (await http.get("/v1/catalogue", headers=headers)).status_code == 200
    await db.run("update client set scopes = '{recommend}'")
    await access.refresh()
    assert (await http.get("/v1/catalogue", headers=headers)).status_code == 403


async def test_the_key_of_one_tenant_signs_nothing_for_another(http, access: Access, db, make):
    await db.run("insert into tenant (tenant, name) values (2, 'second')")
    ours = await make()
    theirs = await make(tenant=2)
    assert access.directory.clients[theirs.client_id].tenant == 2
    forge = Forge(access, ours.client_id)
    second = access.directory.signing(2, "token")[0]
    pem = Sealer(access.settings).open(2, second.kid, second.sealed)
    key = jwk.construct(pem.decode(), "RS256")
    for claims in ({}, {"tenant": 2}, {"sub": theirs.client_id, "client_id": theirs.client_id, "tenant": 1}):
        text = forge.signed(b64({**forge.header, "kid": second.kid}), b64({**forge.claims, **claims}), key)
        assert (await http.get("/v1/catalogue", headers={"Authorization": f"Bearer {text}"})).status_code == 401


async def test_the_memory_of_tokens_is_bounded(access: Access, forge: Forge):
    small = Authenticator("morsel", access.directory, remembered=5)
    texts = [forge.token(jti=f"j{n}").encode() for n in range(12)]
    for text in texts:
        small.authenticate([(b"authorization", b"Bearer " + text)])
    assert len(small._tokens) == 5
    small.authenticate([(b"authorization", b"Bearer " + texts[0])])


def test_neither_encryption_nor_ecdsa_is_loaded():
    loaded = "[m for m in sys.modules if m.startswith(('jose.jwe', 'ecdsa'))]"
    code = f"import sys, app.access.routes.clients, app.access.routes.oauth; print({loaded})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@hypothesis_settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_mutated_token_gets_in_or_breaks_anything(fuzzed, data):
    authenticator, _, whole = fuzzed
    assert authenticator.authenticate([(b"authorization", b"Bearer " + whole)]).client_id == "mc_1"
    bad = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(bad)))
        piece = data.draw(st.binary(min_size=0, max_size=6) | st.sampled_from([b".", b"=", b"e30", b"A", b"_", b"-"]))
        bad[where : where + data.draw(st.integers(0, 6))] = piece
    if bytes(bad).strip() == whole:
        return
    with pytest.raises(Unauthorized):
        authenticator.authenticate([(b"authorization", b"Bearer " + bytes(bad))])


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["RS256", "morsel", "mc_1", 1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jku", "x5u", "jwk"]), _json, max_size=3),
    claims=st.dictionaries(
        st.sampled_from(["iss", "aud", "sub", "exp", "iat", "nbf", "jti", "tenant", "scope", "client_id"]), _json, max_size=4
    ),
)
def test_signed_tokens_with_any_claims_never_break_anything(fuzzed, header, claims):
    authenticator, forge, _ = fuzzed
    try:
        caller = authenticator.authenticate([(b"authorization", b"Bearer " + forge.token(header, **claims).encode())])
    except Unauthorized:
        return
    assert (caller.client_id, caller.tenant) == ("mc_1", 1)
    assert caller.scopes <= {Scope.CATALOG}


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.binary(max_size=80) | st.sampled_from([b"Bearer", b"Basic", b"Bearer ", b"Basic Og==", b"Basic bWtfOg=="]),
    key=st.binary(max_size=80).map(lambda b: b"mk_" + b),
    query=st.text(max_size=80),
)
def test_no_header_breaks_the_authenticator(fuzzed, value, key, query):
    authenticator, _, _ = fuzzed
    for headers in ([(b"authorization", value)], [(b"x-api-key", key)], []):
        with pytest.raises((Unauthorized, Forbidden)):
            authenticator.authenticate(headers, query)
