"""A model of Braze's Liquid and `connected_content`, after Braze's public documentation; it is not Braze."""

import json
import re
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, TextIO
from urllib.parse import parse_qsl, quote, urlsplit

import httpx2
from liquid import Environment, RenderContext
from liquid.ast import Node
from liquid.stream import TokenStream
from liquid.tag import Tag
from liquid.token import TOKEN_EXPRESSION, TOKEN_TAG

TIME_OUT_S = 2.0
LARGEST = 1_000_000
TRIES = 5
_OPTION = re.compile(r"\s:(save|method|body|headers|content_type|basic_auth|auth_credentials|cache_max_age|no_cache|retry)(?=\s|$)")
_ATTRIBUTE = re.compile(r"\$\{\s*(\w+)\s*\}")


class Aborted(Exception):
    """The message is not sent to this recipient."""


@dataclass
class Workspace:
    """What a Braze workspace holds: stored credentials, the cache of answers, and a log of the calls made."""

    basic_auth: dict[str, tuple[str, str]] = field(default_factory=dict)
    auth_credentials: dict[str, dict[str, str]] = field(default_factory=dict)
    cache: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, int]] = field(default_factory=list)
    time_out_s: float = TIME_OUT_S

    def render(self, source: str, attributes: dict[str, Any]) -> str:
        """Render a message for a recipient; raises Aborted."""
        environment = Environment()
        environment.tags["connected_content"] = ConnectedContent(environment, self)
        environment.tags["abort_message"] = AbortMessage(environment)
        environment.filters["url_param_escape"] = lambda value: quote(str(value), safe="")
        return environment.from_string(_ATTRIBUTE.sub(r"\1", source)).render(**attributes)

    def fetch(self, url: str, options: dict[str, str]) -> str | None:
        """Return the body of a good answer; None when there is none, which Braze shows as nothing."""
        post = options.get("method", "get").lower() == "post"
        cached = "no_cache" not in options and (not post or "cache_max_age" in options)
        if cached and url in self.cache:
            return self.cache[url]
        body = self._call(url, options, post)
        if body is not None and cached and len(body) <= LARGEST:
            self.cache[url] = body
        return body

    def _call(self, url: str, options: dict[str, str], post: bool) -> str | None:
        for _ in range(TRIES if "retry" in options else 1):
            status, body = self._once(url, options, post)
            self.calls.append((url, status))
            if 200 <= status < 300:
                return body
            if status < 500:
                return None
        if "retry" in options:
            raise Aborted("the retries were used up")
        return None

    def _once(self, url: str, options: dict[str, str], post: bool) -> tuple[int, str]:
        headers, auth = self._credentials(options)
        content = _body(options) if post else None
        try:
            with httpx2.Client(follow_redirects=False, timeout=self.time_out_s) as http:
                answer = http.request("POST" if post else "GET", url, headers=headers, content=content, auth=auth)
        except (httpx2.TransportError, httpx2.InvalidURL):
            return 599, ""
        return answer.status_code, answer.text

    def _credentials(self, options: dict[str, str]) -> tuple[dict[str, str], tuple[str, str] | None]:
        post = options.get("method", "get").lower() == "post"
        kind = options.get("content_type")
        headers = {"User-Agent": "Braze Sender 0123abcd", "Accept": kind or "*/*"}
        headers["Content-Type"] = kind or ("application/x-www-form-urlencoded" if post else "application/json")
        if "headers" in options:
            headers |= json.loads(options["headers"])
        if "auth_credentials" in options:
            headers |= _stored(self.auth_credentials, options["auth_credentials"])
        return headers, _stored(self.basic_auth, options["basic_auth"]) if "basic_auth" in options else None


def _stored(credentials: dict[str, Any], name: str) -> Any:
    if name not in credentials:
        raise Aborted(f"the credential {name} does not exist")
    return credentials[name]


def _body(options: dict[str, str]) -> str:
    body = options.get("body", "")
    if options.get("content_type") == "application/json" and body and not body.lstrip().startswith(("{", "[")):
        return json.dumps(dict(parse_qsl(body)))
    return body


class _CallNode(Node):
    def __init__(self, token: Any, workspace: Workspace, parts: list[str]) -> None:
        super().__init__(token)
        self.workspace = workspace
        self.parts = parts

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Make the call, and put out its text or keep its JSON."""

        def rendered(source: str) -> str:
            out = StringIO()
            context.env.from_string(source).render_with_context(context, out, partial=True)
            return out.getvalue().strip()

        url = rendered(self.parts[0]).replace("\u00a0", "").replace("&nbsp;", "")
        options = {name: rendered(value) for name, value in zip(self.parts[1::2], self.parts[2::2], strict=True)}
        body = self.workspace.fetch(url, options) if urlsplit(url).scheme in ("http", "https") else None
        if body is None:
            return 0
        try:
            document = json.loads(body)
        except ValueError:
            buffer.write(body)
            return len(body)
        if isinstance(document, dict):
            document["__http_status_code__"] = 200
        context.assign(options.get("save", "connected"), document)
        return 0


class ConnectedContent(Tag):
    """`{% connected_content URL :option value ... %}`."""

    block = False

    def __init__(self, env: Environment, workspace: Workspace) -> None:
        super().__init__(env)
        self.workspace = workspace

    def parse(self, stream: TokenStream) -> Node:
        """Split the tag into its address and options; each is rendered when the message is."""
        token = stream.eat(TOKEN_TAG)
        assert stream.current.kind == TOKEN_EXPRESSION
        return _CallNode(token, self.workspace, _OPTION.split(stream.current.value))


class _AbortNode(Node):
    reason = ""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Stop this recipient's message."""
        raise Aborted(self.reason)


class AbortMessage(Tag):
    """`{% abort_message('reason') %}`."""

    block = False

    def parse(self, stream: TokenStream) -> Node:
        """Read the literal reason."""
        node = _AbortNode(stream.eat(TOKEN_TAG))
        if stream.current.kind == TOKEN_EXPRESSION:
            node.reason = stream.current.value.strip("()'\" ")
        return node
