"""All settings, read once from the environment (`MORSEL_*`) or a `.env` file."""

from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.core.redis_url import parse_redis_url


class Settings(BaseSettings):
    """What an operator can change; every field is documented in `docs/settings.md` (a test compares)."""

    model_config = SettingsConfigDict(env_prefix="MORSEL_", env_file=".env", extra="ignore")

    # where things are
    database_url: str = Field("", description="PostgreSQL to use; empty starts a private one from wheels.")
    redis_url: str = Field("", description="Redis or Valkey to use; empty starts a private Valkey from wheels.")
    data_dir: Path = Field(Path(".morsel"), description="Private folder of the embedded services, snapshots and keys.")
    model_dir: Path = Field(Path("model_store"), description="Folder of the trained artefacts.")
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
    # what is known
    history_items: int = Field(200, ge=1, le=1000, description="Most recent item groups a person's history keeps.")
    bought_items: int = Field(2000, ge=1, le=20_000, description="Bought item groups kept a person, newest first.")
    state_ttl_days: int = Field(90, ge=1, le=3650, description="Days a person's state stays in Redis without an event.")
    person_ids: int = Field(100, ge=2, le=1000, description="Ids that can be linked to one person; links beyond are refused.")
    default_consent: bool = Field(True, description="Whether people who said nothing get personal answers.")
    max_item_bytes: int = Field(65_536, ge=1024, le=1_048_576, description="Largest item accepted, in bytes of JSON.")
    intake_buffer_mb: int = Field(
        64, ge=1, le=4096, description="Events that may wait to be stored in a process, in MB; more are answered 503."
    )
    event_retention_months: int = Field(
        0, ge=0, le=1200, description="Whole months after which stored events are dropped, by their arrival; 0 keeps them for ever."
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

    @field_validator("redis_url")
    @classmethod
    def _readable(cls, url: str) -> str:
        if url:
            parse_redis_url(url)
        return url


@lru_cache
def load() -> Settings:
    """Read the settings of this process, once."""
    return Settings()
