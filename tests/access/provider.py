"""An OpenID Connect provider on this machine: it signs real tokens, checks the client, the code and PKCE, and can be made to err."""

import asyncio
import base64
import hashlib
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import uvicorn
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID, CLIENT_SECRET = "morsel-dashboard", "the provider's own secret"


@dataclass
class Provider:
    """Who is signed in there (`claims`), what it says wrong (`wrong`, over the claims), and whether it answers (`away`)."""

    port: int
    claims: dict[str, Any] = field(default_factory=dict)
    wrong: dict[str, Any] = field(default_factory=dict)
    away: bool = False
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    signs_with: RSAKey | None = None
    asked: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The issuer."""
        return f"http://127.0.0.1:{self.port}"

    def walk(self, address: str) -> dict[str, str]:
        """Go where Morsel sends the browser, sign in there, and return what the provider sends back."""
        answer = httpx.get(address)
        assert answer.status_code == 302, answer.text
        return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}

    async def metadata(self, request: Request) -> Response:
        """The discovery document."""
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            }
        )

    async def authorize(self, request: Request) -> Response:
        """Somebody signs in at once, and is sent back with a code."""
        asked = dict(request.query_params)
        assert asked["client_id"] == CLIENT_ID
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.asked[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?code={code}&state={asked['state']}", 302)

    async def token(self, request: Request) -> Response:
        """A code becomes an id_token once, for the client that it was given to, with the verifier of its challenge."""
        form = await request.form()
        asked = self.asked.pop(str(form.get("code")), None)
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {basic}":
            return JSONResponse({"error": "invalid_client"}, 401)
        if asked is None or form.get("redirect_uri") != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        if create_s256_code_challenge(str(form.get("code_verifier"))) != asked["code_challenge"]:
            return JSONResponse({"error": "invalid_grant", "error_description": "the verifier is wrong"}, 400)
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": CLIENT_ID, "sub": hashlib.sha256(str(self.claims).encode()).hexdigest(), "iat": now, "exp": now + 300,
            "nonce": asked["nonce"], **self.claims, **self.wrong,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.signs_with or self.key)
        return JSONResponse({"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 300, "id_token": signed})

    async def jwks(self, request: Request) -> Response:
        """The public keys."""
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    def app(self) -> Starlette:
        """Return the provider as an application that answers 503 while it is away."""
        paths = {
            "/.well-known/openid-configuration": self.metadata, "/authorize": self.authorize, "/jwks": self.jwks, "/token": self.token,
        }  # fmt: skip
        return Starlette(routes=[Route(path, self._here(answer), methods=["GET", "POST"]) for path, answer in paths.items()])

    def _here(self, answer: Any) -> Any:
        async def asked(request: Request) -> Response:
            return Response("away", 503) if self.away else await answer(request)

        return asked


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        return


@contextmanager
def running() -> Iterator[Provider]:
    """Serve a provider until the block ends."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    made = Provider(listening.getsockname()[1])
    server = _Server(uvicorn.Config(made.app(), log_level="warning", access_log=False, ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield made
    finally:
        server.should_exit = True
        thread.join(10)
