"""The OpenAPI document of the whole application holds: schemathesis finds no 5xx and no answer that is not in it."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from app.access import service as access
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.schemas import NewClient, NewKey
from app.core.db import Database
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from tests.e2e.serving import served
from tests.serving.shop import stock

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"


async def _client(db: Database, settings: Settings, name: str) -> tuple[str, str, int]:
    """Create a client that may do everything; return its id, a key and the key's number."""
    wanted = NewClient(name=name, kind=ClientKind.SERVICE, scopes=[Scope.ADMIN], rate_limit="1000000/minute")
    made = await access.create_client(db, settings, DEFAULT_TENANT, wanted)
    key = await access.create_key(db, DEFAULT_TENANT, made.client_id, NewKey(kind=KeyKind.API))
    return made.client_id, key.key, key.key_no


@pytest.mark.timeout(900)
async def test_every_answer_is_the_one_the_document_promises(settings: Settings, db: Database) -> None:
    """Examples, coverage (each bound and rule of a schema broken once) and fuzzing, seeded; no route is left out."""
    await stock(db, settings)
    own, key, key_no = await _client(db, settings, "own")
    decoy, _, decoy_no = await _client(db, settings, "decoy")
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.api.schema_hooks",
        "MORSEL_TEST_CLIENT": own,
        "MORSEL_TEST_DECOY_CLIENT": decoy,
        "MORSEL_TEST_KEY_NO": str(key_no),
        "MORSEL_TEST_DECOY_KEY_NO": str(decoy_no),
    }
    with served(settings) as address:
        command = [
            str(Path(sys.executable).parent / "schemathesis"), "run", f"{address}/openapi.json", "--header", f"X-Api-Key: {key}",
            "--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", os.environ.get("MORSEL_TEST_EXAMPLES", "2"),
            "--generation-deterministic", "--suppress-health-check", "all",
            "--request-timeout", "20", "--warnings", "off", "--continue-on-failure", "--no-color", "--output-sanitize", "true",
        ]  # fmt: skip
        done = await asyncio.to_thread(_run, command, environment)
        after = httpx2.get(f"{address}/v1/recommendations?placement=email-grid&user_id=u1", headers={"X-Api-Key": key})
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    counted = re.search(r"Operations:\s+(\d+) selected / (\d+) total", done.stdout)
    assert counted, done.stdout
    assert counted[1] == counted[2], "no route is left out"
    assert after.status_code == 200, "the run took its own credential away, so it tested only refusals"


def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=850, check=False)
