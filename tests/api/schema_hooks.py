"""Hooks that the schemathesis run loads: strict serving, and no test may take away the credential it calls with."""

import os
from typing import Any

import schemathesis

SERVING = ("/v1/recommendations", "/v1/snippets/{placement}")
OWN_CLIENT, DECOY_CLIENT = os.environ["MORSEL_TEST_CLIENT"], os.environ["MORSEL_TEST_DECOY_CLIENT"]
OWN_KEY, DECOY_KEY = os.environ["MORSEL_TEST_KEY_NO"], os.environ["MORSEL_TEST_DECOY_KEY_NO"]


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Change a case just before it is sent, in every phase."""
    if case.operation.path in SERVING:
        # without it wrong parameters are warnings, so that errors would never be seen
        case.query = {**(case.query or {}), "strict": "1"}
    given = case.path_parameters
    if case.method == "DELETE" and given:
        if str(given.get("client_id")) == OWN_CLIENT:
            given["client_id"] = DECOY_CLIENT
        if str(given.get("key_no")) == OWN_KEY:
            given["key_no"] = DECOY_KEY
