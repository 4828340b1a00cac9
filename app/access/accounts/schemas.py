"""Wire shapes of accounts."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from app.access.accounts.domain import Role

Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^\s@\x00-\x1f]+@[^\s@\x00-\x1f]+$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Code = Annotated[str, StringConstraints(max_length=12)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SignIn(_Strict):
    """An address with its password, and the code of the second factor where the account has one."""

    email: Email
    password: SecretStr = Field(max_length=1000)
    code: Code = ""
    agent: Text = Field("", description="What the session is called in lists, such as the browser.")


class Enter(_Strict):
    """A one-time link; an invitation needs the password that is to hold from now on."""

    link: str = Field(min_length=10, max_length=100)
    name: Text = ""
    password: SecretStr | None = Field(None, max_length=1000)
    agent: Text = ""


class ProviderView(BaseModel):
    """The provider that people may sign in by; `name` is empty where there is none."""

    name: str


class BeginProvider(_Strict):
    """Where the provider is to send the browser back to."""

    redirect_uri: str = Field(max_length=500, pattern=r"^https?://[^\s#?]+/login/callback$")


class Begun(BaseModel):
    """Where to go; `state` comes back from there, and must be kept by the browser that goes."""

    address: str
    state: str


class FinishProvider(_Strict):
    """What the provider sent the browser back with."""

    code: str = Field(min_length=1, max_length=4000, pattern=r"^[\x21-\x7e]+$")
    state: str = Field(min_length=1, max_length=4000, pattern=r"^[A-Za-z0-9_-]+$")
    agent: Text = ""


class NewAccount(_Strict):
    """Somebody to invite."""

    email: Email
    role: Role
    name: Text = ""


class AccountChange(_Strict):
    """What to change of an account; what is left out stays."""

    role: Role | None = None
    disabled: bool | None = None
    reset: bool = Field(False, description="Make a new link, take the password and second factor away, and end all sessions.")


class OwnChange(_Strict):
    """What somebody changes of their own account; `password` is asked for again."""

    password: SecretStr = Field(max_length=1000)
    new_password: SecretStr | None = Field(None, max_length=1000)
    code: Code = Field("", description="The first code of a new second factor turns it on.")
    factor_off: bool = False


class Session(BaseModel):
    """An open session."""

    session_no: int
    agent: str
    created_at: datetime
    seen_at: datetime
    ends_at: datetime
    current: bool


class SessionList(BaseModel):
    """The caller's open sessions, last used first."""

    sessions: list[Session]


class Opened(BaseModel):
    """A session that was opened: `token` is a Bearer token of the admin routes."""

    token: str
    lasts_s: int
    email: str
    role: Role


class LinkView(BaseModel):
    """What a link leads to, before it is used."""

    purpose: str
    email: str
    name: str
    role: Role


class Account(BaseModel):
    """Somebody who may sign in."""

    account_no: int
    email: str
    name: str
    role: Role
    second_factor: bool
    invited: bool = Field(description="Has not chosen a password yet.")
    disabled: bool
    created_at: datetime
    seen_at: datetime | None = None


class AccountList(BaseModel):
    """All accounts, by address."""

    accounts: list[Account]


class Invited(BaseModel):
    """An account, and the link that lets its owner in, shown this once; empty where none was made."""

    account: Account
    link: str = ""


class Me(BaseModel):
    """Who calls, and what they may do."""

    email: str
    name: str
    role: Role | None = Field(description="None for a program.")
    scopes: list[str]
    second_factor: bool


class Factor(BaseModel):
    """A second factor to set up: it holds once a code of it was sent."""

    secret: str
    address: str


class AuditLine(BaseModel):
    """Somebody did something; `before` and `after` are versions of documents."""

    audit_no: int
    at: datetime
    who: str
    what: str
    kind: str
    name: str
    before: int | None
    after: int | None
    note: str


class AuditPage(BaseModel):
    """Lines of the audit log, newest first; `next` goes into `before` for the page behind."""

    lines: list[AuditLine]
    next: int | None
