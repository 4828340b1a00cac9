"""Keeps the snapshots of a server current: loads them from disk, follows PostgreSQL, writes them back for the next start."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from app.access.directory import AccessDirectory
from app.access.tokens.rotation import load_directory
from app.core import changes, outage, telemetry
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

_BASE_EVERY_S = 60.0
_ACCESS = 0
_WRITE_AGAIN_S = 60.0


class Holder:
    """The current snapshot of every tenant, and the access directory.

    `refresh` never raises for want of a database, the last picture stays, nor for a disk that takes nothing.
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
        self._told = ""
        self._unwritten: dict[int, tuple[float, Callable[[], None]]] = {}
        self._told_of_disk: set[str] = set()
        # of two looks at once the one that read earlier must not install later
        self._looking = asyncio.Lock()

    @property
    def ready(self) -> bool:
        """Tell whether at least one tenant can be answered for."""
        return bool(self.current)

    async def start(self) -> None:
        """Take what the disk has, then what PostgreSQL says."""
        await asyncio.to_thread(self._from_disk)
        await self.refresh()

    def document(self, tenant: int) -> dict[str, Any]:
        """Return the configuration that a tenant's snapshot was read from, JSON-ready."""
        return self._documents[tenant]

    async def follow(self) -> None:
        """Refresh for ever."""
        while True:
            await asyncio.sleep(self._settings.refresh_ms / 1000)
            try:
                await self.turn(time.time())
                await self.refresh()
            except Exception as error:
                # a fault in one refresh must not end all later ones; the last picture stays and the age shows it
                log.error("snapshot.fault", error=type(error).__name__, exc_info=error)

    async def turn(self, now: float) -> None:
        """Let sales and rules begin and end, and items expire, that are due at a unix moment; needs no database."""
        for tenant, snapshot in list(self.current.items()):
            for program in snapshot.programs.values():
                if program.due(now):
                    await asyncio.to_thread(program.turn, now)
            if now >= snapshot.catalogue.until:
                await asyncio.to_thread(self._install, tenant, snapshot.catalogue.at(now), self._documents[tenant])

    async def refresh(self) -> bool:
        """Read what changed since the last look; False when PostgreSQL is away."""
        try:
            async with self._looking, asyncio.timeout(60):
                versions = await changes.versions(self._db)
                await self._refresh_access(versions)
                for (tenant,) in await self._db.rows("select tenant from tenant order by tenant"):
                    mine = {area: version for (owner, area), version in versions.items() if owner == tenant}
                    await self._refresh_tenant(tenant, mine)
                await self._write_again()
        except Exception as error:
            if not outage.is_database(error):
                raise
            telemetry.ERRORS.labels("postgresql", "refresh").inc()
            if (why := outage.cause(error)) != self._told:  # each reason once, not each second
                log.warning("snapshot.database_down", database=outage.place(self._db.url), error=why)
                self._told = why
            telemetry.SNAPSHOT_AGE.set(self.age())
            return False
        self.confirmed_at, self._told = time.monotonic(), ""
        telemetry.SNAPSHOT_AGE.set(0)
        return True

    def age(self) -> float:
        """Return the seconds since the picture was last known to be current."""
        return time.monotonic() - self.confirmed_at if self.confirmed_at else 1e6

    async def _refresh_access(self, versions: dict[tuple[int, str], int]) -> None:
        seen = {f"{t}:{area}": v for (t, area), v in versions.items() if area in ("access", "revocations")}
        if self._versions.get(_ACCESS) == seen:
            return
        directory = await load_directory(self._db, self._settings)
        self._on_access(directory)
        self._versions[_ACCESS] = seen
        await asyncio.to_thread(self._write, _ACCESS, partial(self._save_access, directory))

    async def _refresh_tenant(self, tenant: int, versions: dict[str, int]) -> None:
        known = self._versions.get(tenant, {})
        old = self.current.get(tenant)
        catalogue, fresh = await self._catalogue(tenant, versions, known, old)
        changed = {area for area in {*versions, *known} if versions.get(area) != known.get(area)} - {"catalogue"}
        document = await source.config(self._db, tenant, self._documents.get(tenant), {*changed, "catalogue"} if fresh else changed)
        retry = self._due_again(tenant)
        if old is not None and catalogue is old.catalogue and document is self._documents.get(tenant) and not retry:
            return
        await asyncio.to_thread(self._install, tenant, catalogue, document)
        self._versions[tenant] = versions
        await asyncio.to_thread(self._write, tenant, partial(self._save, tenant, fresh, versions))

    def _write(self, what: int, write: Callable[[], None]) -> None:
        """Write a tenant's snapshot, or the access directory, to the disk; what that does not take is told, and tried again later."""
        try:
            write()
        except OSError as error:
            telemetry.ERRORS.labels("disk", "snapshot").inc()
            self._unwritten[what] = (time.monotonic() + _WRITE_AGAIN_S, write)
            if (why := error.strerror or outage.cause(error)) not in self._told_of_disk:
                log.warning("snapshot.not_written", folder=str(self._folder), error=why)
                self._told_of_disk.add(why)
            return
        if self._unwritten.pop(what, None) is not None and not self._unwritten:
            log.info("snapshot.written", folder=str(self._folder))
            self._told_of_disk.clear()

    async def _write_again(self) -> None:
        for what, (due, write) in list(self._unwritten.items()):
            if time.monotonic() > due:
                await asyncio.to_thread(self._write, what, write)

    async def _catalogue(
        self, tenant: int, versions: dict[str, int], known: dict[str, int], old: Snapshot | None
    ) -> tuple[Catalogue, bool]:
        if old is not None and versions.get("catalogue") == known.get("catalogue"):
            return old.catalogue, False
        if old is not None and tenant in self._marks:
            most = max(1000, len(old.catalogue) // 20)
            rows, mark = await source.changed_items(self._db, tenant, self._marks[tenant], most)
            if len(rows) <= most and (changed := old.catalogue.with_changes(rows, time.time())) is not None:
                self._marks[tenant] = mark
                return changed, False
            del rows
        found, mark = await source.items(self._db, tenant, self._folder / str(tenant))
        built = await asyncio.to_thread(build, found, time.time())
        if old is not None:
            built.take_over(old.catalogue)
        self._marks[tenant] = mark
        return built, True

    def _install(self, tenant: int, catalogue: Catalogue, document: dict[str, Any]) -> None:
        config = Config.read(document)
        old = self.current.get(tenant)
        models: dict[str, LiveModel] = {}
        for recommender, (model_no, version) in config.models.items():
            loaded = self._model(tenant, config, recommender, version)
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

    def _model(self, tenant: int, config: Config, recommender: str, version: str) -> LoadedModel | None:
        key = (tenant, recommender, version)
        if key not in self._loaded:
            try:
                mark = config.marks.get(recommender, "")
                self._loaded[key] = load_model(self._settings.model_dir, config.tenant_name, recommender, version, mark)
                self._refused.pop(key, None)
            except (ArtefactError, OSError) as error:
                if key not in self._refused:
                    log.error("model.refused", recommender=recommender, version=version, error=str(error))
                self._refused[key] = time.monotonic() + 5
        return self._loaded.get(key)

    def _due_again(self, tenant: int) -> bool:
        return any(key[0] == tenant and time.monotonic() > due for key, due in self._refused.items())

    def _from_disk(self) -> None:
        try:
            with suppress(FileNotFoundError):  # a first start
                self._on_access(AccessDirectory.from_document(orjson.loads((self._folder / "access.json").read_bytes())))
        except (ValueError, TypeError, AttributeError, LookupError, OSError) as error:
            log.error("snapshot.access_damaged", error=str(error))
        for place in sorted(self._folder.glob("[0-9]*")):
            if not (place.name.isascii() and place.name.isdigit() and place.is_dir()):
                log.warning("snapshot.stray", name=place.name)  # a copy that somebody made by hand
                continue
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


async def snapshot_of(db: Database, tenant: int) -> Snapshot:
    """Read a tenant's snapshot from PostgreSQL without its models, for what looks at a shop once."""
    found, _ = await source.items(db, tenant)
    catalogue = await asyncio.to_thread(build, found, time.time())
    return Snapshot(tenant, catalogue, Config.read(await source.config(db, tenant)), {}, time.monotonic())
