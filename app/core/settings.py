"""All settings, read once from the environment (`MORSEL_*`) or a `.env` file."""

import difflib
import json
import os
import re
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core.redis_url import parse_redis_url

PREFIX = "MORSEL_"
ENV_FILE = Path(".env")
# what other parts of the program read from the environment, and what its own tests hand around
_OTHERS = frozenset({"MORSEL_DEMO_SCALE", "MORSEL_PARENT"})
_TESTS = "MORSEL_TEST_"
CONSENT_PURPOSES = ("personalisation", "analytics", "email", "tracking", "sale")
"""What people may say yes or no to."""
TRAIT_SOURCES = ("api", "file", "identify", "computed")
"""Who tells traits of people."""


class Settings(BaseSettings):
    """What an operator can change; every field is documented in `docs/settings.md` (a test compares)."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=ENV_FILE, extra="ignore")

    # where things are
    database_url: str = Field("", description="PostgreSQL to use; empty starts a private one from wheels.")
    redis_url: str = Field("", description="Redis or Valkey to use; empty starts a private Valkey from wheels.")
    data_dir: Path = Field(Path(".morsel"), description="Private folder of the embedded services, snapshots and keys.")
    model_dir: Path = Field(Path(""), description="Folder of the trained artefacts; empty means `model_store` in the data folder.")
    # the server
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    workers: int = Field(1, ge=1, le=64, description="Server processes.")
    public_url: str = Field("", description="Address under which links and pictures reach Morsel; empty means the listening address.")
    secret: SecretStr = Field(
        SecretStr(""),
        description="Master secret (32+ characters) that protects keys at rest; empty generates one in the data folder.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["json", "console"] = Field("json", description="Shape of a log line.")
    # database and cache
    database_pool: int = Field(5, ge=1, le=100, description="Connections to PostgreSQL a process keeps.")
    redis_timeout_ms: int = Field(50, ge=1, le=5000, description="Longest wait for one read of the cache, in milliseconds.")
    lookup_timeout_ms: int = Field(
        100, ge=1, le=5000, description="Longest wait for people read from PostgreSQL while serving, in milliseconds."
    )
    # dashboard
    dashboard: bool = Field(True, description="Whether `morsel serve` starts the dashboard beside.")
    dashboard_port: int = Field(
        0, ge=0, le=65_535, description="Port of the dashboard; 0 is a thousand above the server's, or a free one where that is taken."
    )
    dashboard_url: str = Field("", description="Address under which people reach the dashboard, where a proxy stands in front of it.")
    api_url: str = Field("", description="Where a dashboard of its own finds the API; empty means this machine.")
    # time
    now: datetime | None = Field(
        None, description="Replaces the clock of training and scoring (ISO 8601); tokens and expiry keep the real clock."
    )
    # access
    issuer: str = Field("morsel", description="`iss` and `aud` of the tokens Morsel issues.")
    token_lifetime_s: int = Field(
        16_200, ge=60, le=86_400, description="Lifetime of an access token in seconds; e-mail platforms cache one for 4 h and a bit."
    )
    default_rate_limit: str = Field("6000/minute", description="Limit of a client that has none of its own.")
    session_idle_s: int = Field(43_200, ge=60, le=2_592_000, description="Seconds without use after which somebody must sign in again.")
    session_max_s: int = Field(604_800, ge=300, le=31_536_000, description="Seconds after which somebody must sign in again in any case.")
    oidc_issuer: str = Field("", description="Address of an OpenID Connect provider that people may sign in by; empty means none.")
    oidc_client_id: str = Field("", description="What the provider knows Morsel's dashboard as.")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="Secret that belongs to it; empty for a public client.")
    oidc_name: str = Field(
        "your provider", min_length=1, max_length=60, description="What the button on the sign-in page calls the provider."
    )
    oidc_role: Literal["", "viewer", "marketer", "engineer", "admin"] = Field(
        "", description="Role of people who come by the provider for the first time; empty lets in invited addresses only."
    )
    # what is known
    history_items: int = Field(200, ge=1, le=1000, description="Most recent item groups a person's history keeps.")
    bought_items: int = Field(2000, ge=1, le=20_000, description="Bought item groups kept a person, newest first.")
    state_ttl_days: int = Field(90, ge=1, le=3650, description="Days a person's state stays in Redis without an event.")
    person_ids: int = Field(100, ge=2, le=1000, description="Ids that can be linked to one person; links beyond are refused.")
    trait_sources: str = Field(
        "api,file,identify,computed", description="Who tells traits of people, the one whose word counts most first; comma-separated."
    )
    default_consent: bool = Field(True, description="Whether people who said nothing get personal answers.")
    consent_defaults: Annotated[dict[str, dict[str, bool]], NoDecode] = Field(
        {},
        description="What holds for people who said nothing, by country, as JSON: "
        '`{"default": {"sale": false}, "DE,FR": {"tracking": false}}`; all else is allowed.',
    )
    max_item_bytes: int = Field(65_536, ge=1024, le=1_048_576, description="Largest item accepted, in bytes of JSON.")
    intake_buffer_mb: int = Field(
        64, ge=1, le=4096, description="Events that may wait to be stored in a process, in MB; more are answered 503."
    )
    event_retention_months: int = Field(
        0, ge=0, le=1200, description="Whole months after which stored events are dropped, by their arrival; 0 keeps them for ever."
    )
    training_events: int = Field(
        20_000_000, ge=1000, description="Events that a training reads at most, the newest; about 300 bytes of memory each."
    )
    serve_retention_months: int = Field(
        0, ge=0, le=1200, description="Whole months after which records of serves are dropped; 0 keeps them for ever."
    )
    keep_models: int = Field(
        0, ge=0, le=10_000, description="Newest models of each recommender that the worker keeps on disk; 0 keeps all."
    )
    refused_days: int = Field(30, ge=1, le=3650, description="Days that a refused event is kept.")
    refused_mb: int = Field(
        256, ge=1, le=65_536, description="Refused events kept a tenant, in MB; public keys have half of it. More are only counted."
    )
    probe_every_s: int = Field(60, ge=0, le=86_400, description="Seconds between two probes of the way from intake to Redis; 0 sends none.")
    probe_limit_s: float = Field(5.0, ge=0.1, le=3600, description="Seconds after which a probe that is not visible raises the alarm.")
    max_body_bytes: int = Field(8_388_608, ge=65_536, description="Largest request body accepted, in bytes.")
    # serving
    deadline_ms: int = Field(300, ge=20, le=10_000, description="Time an answer may take before a lower rung gives it.")
    candidates: int = Field(100, ge=10, le=1000, description="Scored candidates kept a person and placement.")
    candidates_ttl_s: int = Field(86_400, ge=60, description="Seconds a list of candidates stays in Redis.")
    pin_ttl_s: int = Field(300, ge=60, description="Seconds an answer with `send_id` or `campaign` stays pinned.")
    scoring_threads: int = Field(1, ge=1, le=32, description="Threads that score, in each server process.")
    refresh_ms: int = Field(1000, ge=50, le=60_000, description="Pause between two looks for changes in PostgreSQL, in milliseconds.")
    default_placement: str = Field("home-popular", description="Placement that answers for a name never known.")
    link_hosts: str = Field(
        "", description="Comma-separated hosts the click redirector may lead to; empty means the hosts of the catalogue's own links."
    )
    spool_mb: int = Field(
        64,
        ge=0,
        le=100_000,
        description="Clicks and opens a process keeps on disk while PostgreSQL is away, in MB; 0 keeps them in memory.",
    )
    attribution_days: int = Field(7, ge=1, le=90, description="Days before an order in which a click brought it about.")
    attribution_seen: bool = Field(
        False, description="Whether an order without a click is owed to the last answer opened or seen in those days."
    )
    # sends
    prewarm_per_s: int = Field(1000, ge=1, le=1_000_000, description="People a second whose lists the worker prewarms for sends, at most.")
    prewarm_threads: int = Field(1, ge=1, le=32, description="Threads of the worker that score for sends.")
    send_calls_per_person: float = Field(3.0, ge=1, le=20, description="Requests that a recipient of a send causes.")
    send_peak_factor: float = Field(2.0, ge=1, le=100, description="Peak of a send's requests over their average.")
    send_model_days: int = Field(14, ge=1, le=3650, description="Days after which a model's data are called too old for a send.")
    send_events_hours: int = Field(48, ge=1, le=8760, description="Hours after which the newest event is called too old for a send.")
    send_catalogue_days: int = Field(7, ge=1, le=3650, description="Days after which an unchanged catalogue is called too old for a send.")

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, url: str) -> str:
        if url and not url.startswith(("postgresql://", "postgres://", "postgresql+asyncpg://")):
            raise ValueError("the database must be PostgreSQL: postgresql://user:password@host:5432/name")
        return url

    @field_validator("trait_sources")
    @classmethod
    def _tellers(cls, text: str) -> str:
        named = [part.strip() for part in text.split(",") if part.strip()]
        if len(set(named)) != len(named) or set(named) - set(TRAIT_SOURCES):
            raise ValueError(f"it lists {', '.join(TRAIT_SOURCES)} in some order, each at most once")
        return ",".join(named)

    @field_validator("consent_defaults", mode="before")
    @classmethod
    def _by_country(cls, told: Any) -> Any:
        if isinstance(told, str):
            try:
                told = json.loads(told or "{}")
            except ValueError:
                raise ValueError('it is no JSON, such as {"default": {"sale": false}, "DE,FR": {"tracking": false}}') from None
        if not isinstance(told, dict) or not all(isinstance(said, dict) for said in told.values()):
            raise ValueError('it must name purposes by country, such as {"DE": {"tracking": false}}')
        spelled = {
            ",".join(code.strip().upper() for code in codes.split(",")) if codes != "default" else codes: said
            for codes, said in told.items()
        }
        for codes, said in spelled.items():
            if codes != "default" and not all(re.fullmatch("[A-Z]{2}", code) for code in codes.split(",")):
                raise ValueError(f"{codes[:40]} is neither `default` nor countries of two letters")
            if unknown := [name for name in said if name not in CONSENT_PURPOSES[1:]]:
                more = "; personal answers have MORSEL_DEFAULT_CONSENT" if CONSENT_PURPOSES[0] in unknown else ""
                raise ValueError(f"{unknown[0][:40]} is none of {', '.join(CONSENT_PURPOSES[1:])}{more}")
            if not all(isinstance(granted, bool) for granted in said.values()):
                raise ValueError(f"{codes[:40]}: each purpose is true or false")
        return spelled

    @field_validator("oidc_issuer")
    @classmethod
    def _private(cls, url: str) -> str:
        if url and not url.startswith(("https://", "http://127.0.0.1", "http://localhost", "http://[::1]")):
            raise ValueError("the provider must be reached by https://")
        return url

    @model_validator(mode="after")
    def _whole(self) -> "Settings":
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("MORSEL_OIDC_ISSUER needs MORSEL_OIDC_CLIENT_ID")
        return self

    @model_validator(mode="after")
    def _beside_the_data(self) -> "Settings":
        if self.model_dir == Path(""):
            self.model_dir = self.data_dir / "model_store"
        return self

    @field_validator("redis_url")
    @classmethod
    def _readable(cls, url: str) -> str:
        if url:
            parse_redis_url(url)
        return url


def given() -> dict[str, str]:
    """Return where each `MORSEL_*` name of this process was found: `environment`, or `.env`."""
    beside = dotenv_values(ENV_FILE) if ENV_FILE.is_file() else {}
    names = {name.upper(): str(ENV_FILE) for name in beside} | {name.upper(): "environment" for name in os.environ}
    return {name: where for name, where in sorted(names.items()) if name.startswith(PREFIX)}


def unknown() -> list[str]:
    """Say of each `MORSEL_*` name that nothing reads where it was found, and which known name is nearest."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | _OTHERS
    told = []
    for name, where in given().items():
        if name not in known and not name.startswith(_TESTS):
            near = difflib.get_close_matches(name, known, 1, 0.6)
            hint = f"did you mean {near[0]}?" if near else "docs/settings.md lists all names"
            told.append(f"{name} ({where}) is no setting: {hint}")
    return told


@lru_cache
def load() -> Settings:
    """Read the settings of this process, once."""
    return Settings()
