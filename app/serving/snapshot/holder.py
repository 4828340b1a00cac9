"""Keeps the snapshots of a server current: loads them from disk, follows PostgreSQL, writes them back for the next start."""

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy.exc import SQLAlchemyError

from app.access.directory import AccessDirectory
from app.access.rotation import load_directory
from app.core import changes, telemetry
from app.core.db import Database
from app.core.logging import log
from app.core.settings import Settings
from app.ml.registry.artefact import ArtefactError
from app.ml.registry.loader import LoadedModel
from app.ml.registry.service import load_model
from app.serving.snapshot import disk, source
from app.serving.snapshot.building import build
from app.serving.snapshot.catalogue import Catalogue
from app.serving.snapshot.snapshot import Config, LiveModel, Snapshot, placed_model

_CONFIG_AREAS = ("content", "models", "popular")
_BASE_EVERY_S = 60.0
DOWN = (SQLAlchemyError, OSError, TimeoutError)


class Holder:
    """The current snapshot of every tenant, and the access directory.

    `refresh` never raises for want of a database: the last picture stays.
    """

    def __init__(self, db: Database, settings: Settings, on_access: Any) -> None:
        self._db = db
        self._settings = settings
        self._folder = settings.data_dir.resolve() / "snapshot"
        self._on_access = on_access
        self.current: dict[int, Snapshot] = {}
        self._versions: dict[int, dict[str, int]] = {}
        self._marks: dict[int, str] = {}
        self._documents: dict[int, dict[str, Any]] = {}
        self._loaded: dict[tuple[int, str, str], LoadedModel] = {}
        self._refused: dict[tuple[int, str, str], float] = {}
        self._saved_base: dict[int, float] = {}
        self.confirmed_at = 0.0

    @property
    def ready(self) -> bool:
        """Tell whether at least one tenant can be answered for."""
        return bool(self.current)

    async def start(self) -> None:
        """Take what the disk has, then what PostgreSQL says."""
        await asyncio.to_thread(self._from_disk)
        await self.refresh()

    async def follow(self) -> None:
        """Refresh for ever."""
        while True:
            await asyncio.sleep(self._settings.refresh_ms / 1000)
            try:
                await self.refresh()
            except Exception as error:
                # a fault in one refresh must not end all later ones; the last picture stays and the age shows it
                log.error("snapshot.fault", error=type(error).__name__, exc_info=error)

    async def refresh(self) -> bool:
        """Read what changed since the last look; False when PostgreSQL is away."""
        try:
            async with asyncio.timeout(60):
                versions = await changes.versions(self._db)
                await self._refresh_access(versions)
                for (tenant,) in await self._db.rows("select tenant from tenant order by tenant"):
                    mine = {area: version for (owner, area), version in versions.items() if owner == tenant}
                    await self._refresh_tenant(tenant, mine)
        except DOWN as error:
            telemetry.ERRORS.labels("postgresql", "refresh").inc()
            if self.confirmed_at == 0 or time.monotonic() - self.confirmed_at < 5:
                log.warning("snapshot.database_down", error=type(error).__name__)
            telemetry.SNAPSHOT_AGE.set(self.age())
            return False
        self.confirmed_at = time.monotonic()
        telemetry.SNAPSHOT_AGE.set(0)
        return True

    def age(self) -> float:
        """Return the seconds since the picture was last known to be current."""
        return time.monotonic() - self.confirmed_at if self.confirmed_at else 1e6

    async def _refresh_access(self, versions: dict[tuple[int, str], int]) -> None:
        seen = {f"{t}:{area}": v for (t, area), v in versions.items() if area in ("access", "revocations")}
        if self._versions.get(0) == seen:
            return
        directory = await load_directory(self._db, self._settings)
        self._on_access(directory)
        self._versions[0] = seen
        await asyncio.to_thread(self._save_access, directory)

    async def _refresh_tenant(self, tenant: int, versions: dict[str, int]) -> None:
        known = self._versions.get(tenant, {})
        old = self.current.get(tenant)
        catalogue, fresh = await self._catalogue(tenant, versions, known, old)
        document = self._documents.get(tenant)
        if document is None or any(versions.get(area) != known.get(area) for area in _CONFIG_AREAS):
            document = await source.config(self._db, tenant)
        retry = self._due_again(tenant)
        if old is not None and catalogue is old.catalogue and document is self._documents.get(tenant) and not retry:
            return
        await asyncio.to_thread(self._install, tenant, catalogue, document)
        self._versions[tenant] = versions
        await asyncio.to_thread(self._save, tenant, fresh, versions)

    async def _catalogue(
        self, tenant: int, versions: dict[str, int], known: dict[str, int], old: Snapshot | None
    ) -> tuple[Catalogue, bool]:
        if old is not None and versions.get("catalogue") == known.get("catalogue"):
            return old.catalogue, False
        if old is not None and tenant in self._marks:
            most = max(1000, len(old.catalogue) // 20)
            rows, mark = await source.changed_items(self._db, tenant, self._marks[tenant], most)
            if len(rows) <= most and (changed := old.catalogue.with_changes(rows)) is not None:
                self._marks[tenant] = mark
                return changed, False
            del rows
        found, mark = await source.items(self._db, tenant, self._folder / str(tenant))
        built = await asyncio.to_thread(build, found)
        if old is not None:
            built.take_over(old.catalogue)
        self._marks[tenant] = mark
        return built, True

    def _install(self, tenant: int, catalogue: Catalogue, document: dict[str, Any]) -> None:
        config = Config.read(document)
        old = self.current.get(tenant)
        models: dict[str, LiveModel] = {}
        for recommender, (model_no, version) in config.models.items():
            loaded = self._model(tenant, config.tenant_name, recommender, version)
            if loaded is not None:
                models[recommender] = placed_model(model_no, loaded, catalogue)
            elif old is not None and recommender in old.models:
                # the new artefact is unusable: the model that works stays
                models[recommender] = placed_model(old.models[recommender].model_no, old.models[recommender].loaded, catalogue)
        self._documents[tenant] = document
        snapshot = Snapshot(tenant, catalogue, config, models, time.monotonic())
        snapshot.warm()
        self.current[tenant] = snapshot
        wanted = {(tenant, recommender, one.loaded.version) for recommender, one in models.items()}
        self._loaded = {key: model for key, model in self._loaded.items() if key[0] != tenant or key in wanted}

    def _model(self, tenant: int, tenant_name: str, recommender: str, version: str) -> LoadedModel | None:
        key = (tenant, recommender, version)
        if key not in self._loaded:
            try:
                self._loaded[key] = load_model(self._settings.model_dir, tenant_name, recommender, version)
                self._refused.pop(key, None)
            except (ArtefactError, OSError) as error:
                if key not in self._refused:
                    log.error("model.refused", recommender=recommender, version=version, error=str(error))
                self._refused[key] = time.monotonic() + 5
        return self._loaded.get(key)

    def _due_again(self, tenant: int) -> bool:
        return any(key[0] == tenant and time.monotonic() > due for key, due in self._refused.items())

    def _from_disk(self) -> None:
        access = self._folder / "access.json"
        if access.exists():
            try:
                self._on_access(AccessDirectory.from_document(orjson.loads(access.read_bytes())))
            except (ValueError, OSError) as error:
                log.error("snapshot.access_damaged", error=str(error))
        for place in sorted(self._folder.glob("[0-9]*")):
            try:
                catalogue, document, versions = _load(place)
            except disk.Damaged as error:
                log.warning("snapshot.not_loaded", error=str(error))
                continue
            self._install(int(place.name), catalogue, document)
            self._versions[int(place.name)] = versions

    def _save(self, tenant: int, fresh: bool, versions: dict[str, int]) -> None:
        place = self._folder / str(tenant)
        snapshot = self.current[tenant]
        with disk.writing(place) as mine:
            if not mine:
                return
            try:
                said = disk.current(place)["versions"]
            except disk.Damaged:
                said = None
            due = time.monotonic() - self._saved_base.get(tenant, 0) > _BASE_EVERY_S
            whole = said is None or (said.get("catalogue") != versions.get("catalogue") and (fresh or due))
            if said is not None and not whole:
                # the base on disk stays, and must not pass for newer than it is
                versions = {**versions, "catalogue": said.get("catalogue", 0)}
            if versions == said:
                disk.share(place, snapshot.catalogue)
                return
            disk.save(place, snapshot.catalogue if whole else None, self._documents[tenant], versions)
            if whole:
                self._saved_base[tenant] = time.monotonic()
                # from now on the pages of the file, which all processes share, stand for the documents in our own memory
                disk.share(place, snapshot.catalogue)

    def _save_access(self, directory: AccessDirectory) -> None:
        with disk.writing(self._folder) as mine:
            if mine:
                fresh = Path(self._folder / "access.json.new")
                fresh.touch(mode=0o600)
                fresh.write_bytes(orjson.dumps(directory.to_document()))
                fresh.replace(self._folder / "access.json")


def _load(place: Path) -> tuple[Catalogue, dict[str, Any], dict[str, int]]:
    """Load a tenant's snapshot, once more when a writer replaced it in between."""
    for _ in range(3):
        try:
            return disk.load(place)
        except disk.Damaged:
            time.sleep(0.05)
    return disk.load(place)
