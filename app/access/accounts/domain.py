"""Who people are to the dashboard: roles and what each may do, and what a password must be. Pure."""

from enum import StrEnum

from app.access.domain import RuleBroken, Scope

SESSION_PREFIX = b"ma_"
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 200
# So many wrong passwords are free; then each doubles the pause.
FREE_FAILURES = 4
LONGEST_PAUSE_S = 900


class Role(StrEnum):
    """What somebody does here; each role holds what the one before it holds."""

    VIEWER = "viewer"
    MARKETER = "marketer"
    ENGINEER = "engineer"
    ADMIN = "admin"


SCOPES: dict[Role, frozenset[Scope]] = {
    Role.VIEWER: frozenset({Scope.ADMIN_READ}),
    Role.MARKETER: frozenset({Scope.ADMIN_READ, Scope.CONTENT, Scope.CATALOG}),
    Role.ENGINEER: frozenset(
        {Scope.ADMIN_READ, Scope.CONTENT, Scope.CATALOG, Scope.EVENTS, Scope.PROFILES, Scope.OPERATE, Scope.ACCESS, Scope.RECOMMEND}
    ),
    Role.ADMIN: frozenset(Scope),
}


def check_password(password: str, email: str) -> None:
    """Raise RuleBroken for a password that is too short, too long, one character over and over, or the address itself."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise RuleBroken(f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
    if len(set(password)) < 4 or password.strip().lower() in (email.lower(), email.lower().partition("@")[0]):
        raise RuleBroken("This password is too easy to guess; a sentence is a good one.")


def pause_s(failures: int) -> int:
    """Return the seconds that nobody may try again after so many wrong passwords in a row."""
    over = failures - FREE_FAILURES
    return 0 if over <= 0 else min(LONGEST_PAUSE_S, 2 ** min(over, 20))
