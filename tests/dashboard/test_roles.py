"""Roles hold on every route of the API: a table of who may change what, against every operation of the OpenAPI document."""

import re

import httpx
import pytest

from app.access.accounts.domain import Role
from tests.dashboard.site import Site

ORDER = list(Role)
READING = ("get", "head")
# The least role that may change something, by how the address begins; the first that fits counts.
CHANGES = (
    ("/v1/admin/accounts", Role.ADMIN),
    ("/v1/admin/signing-keys", Role.ADMIN),
    ("/v1/admin/clients", Role.ENGINEER),
    ("/v1/admin/keys", Role.ENGINEER),
    ("/v1/admin/models/compare-lists", Role.MARKETER),
    ("/v1/admin/models", Role.ENGINEER),
    ("/v1/admin/people", Role.ENGINEER),
    ("/v1/admin/refused-events", Role.ENGINEER),
    ("/v1/admin/imports", Role.MARKETER),
    ("/v1/admin/placements", Role.MARKETER),
    ("/v1/admin/templates", Role.MARKETER),
    ("/v1/admin/sends", Role.MARKETER),
    ("/v1/admin/rules", Role.MARKETER),
    ("/v1/admin/dry-runs", Role.MARKETER),
    ("/v1/admin/segments/estimate", Role.VIEWER),  # it changes nothing
    ("/v1/admin/segments", Role.MARKETER),
    ("/v1/admin/clusters", Role.MARKETER),
    ("/v1/items", Role.MARKETER),
)
# What somebody does with their own account, and what stands open because nobody is signed in yet.
OWN = ("/v1/admin/me", "/v1/admin/sessions")
# What reading asks more than looking for: what refused events held, who signs in, who bought.
READS = (
    ("/v1/admin/imports/{upload_no}/refused", Role.MARKETER),
    ("/v1/admin/accounts", Role.ADMIN),
    ("/v1/admin/refused-events/", Role.ENGINEER),
    ("/v1/admin/segments/{name}/members", Role.ENGINEER),
)


def least(method: str, path: str) -> Role:
    """Return the least role that may call."""
    if path.startswith(OWN):
        return Role.VIEWER
    table = READS if method in READING else CHANGES
    for begin, role in table:
        if path.startswith(begin):
            return role
    assert method in READING, f"{method} {path}: say in CHANGES who may do this"
    return Role.VIEWER


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MARKETER, Role.ENGINEER])
def test_each_role_may_what_the_table_says_and_no_more(site: Site, role: Role) -> None:
    paths = httpx.get(f"{site.api}/openapi.json").json()["paths"]
    token = site.browser(role).token
    wrong = []
    with httpx.Client(base_url=site.api, headers={"Authorization": f"Bearer {token}"}, timeout=30) as http:
        for path, operations in paths.items():
            if not path.startswith(("/v1/admin", "/v1/items")) or path == "/v1/admin/sessions/current":
                continue
            for method in operations:
                may = ORDER.index(role) >= ORDER.index(least(method, path))
                # names and numbers that nobody has, and no body: nothing is changed where it is allowed
                answer = http.request(
                    method, re.sub(r"\{[^}]*(no|number)\}", "999999", re.sub(r"\{(?![^}]*no\})[^}]*\}", "nobody-at-all", path))
                )
                if (answer.status_code == 403) == may:
                    wrong.append(f"{role} {method} {path}: {answer.status_code}")
    assert wrong == []
