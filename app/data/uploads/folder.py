"""Where uploads lie until they were imported: a folder each below the data folder, for a day at most."""

import asyncio
import csv
import re
import shutil
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from app.core.errors import Invalid, TooLarge
from app.core.settings import Settings

LARGEST = 300_000_000
_BLOCK = 1_048_576
REFUSED = "refused.csv"


def folder(settings: Settings, tenant: int, upload_no: int) -> Path:
    """Return the folder of an upload."""
    return settings.data_dir / "uploads" / f"{tenant}-{upload_no}"


def safe_name(name: str) -> str:
    """Return the last part of a file's name as a name that every system can hold, its endings kept."""
    plain = re.sub(r'[\x00-\x1f\x7f<>:"|?*\\/]+', "_", re.split(r"[/\\]", name)[-1]).strip(". ")
    plain = plain.encode("utf-8", "replace").decode()
    while len(plain.encode()) > 150:
        plain = plain[1:]
    return plain or "file"


async def receive(stream: AsyncIterator[bytes], settings: Settings, tenant: int) -> tuple[Path, int]:
    """Write a body to a new file as it comes and return it with its size; raises TooLarge, and Invalid for an empty one."""
    into = settings.data_dir / "uploads"
    await asyncio.to_thread(into.mkdir, parents=True, exist_ok=True, mode=0o700)
    path = into / f"coming-{tenant}-{id(stream)}-{asyncio.get_running_loop().time():.6f}"
    size, block = 0, bytearray()
    try:
        with path.open("xb") as file:
            async for part in stream:
                size += len(part)
                if size > LARGEST:
                    raise TooLarge(f"A file has {LARGEST // 1_000_000} MB at most; larger ones go in by the command line.")
                block += part
                if len(block) >= _BLOCK:
                    await asyncio.to_thread(file.write, bytes(block))
                    block.clear()
            await asyncio.to_thread(file.write, bytes(block))
        if not size:
            raise Invalid("The file is empty.")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path, size


def write_refused(into: Path, columns: list[str], rows: Iterable[tuple[int, str, dict[str, str]]]) -> None:
    """Write refused rows as CSV: line, reason, and the row as it stood."""
    with into.open("w", encoding="utf-8-sig", errors="replace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "reason", *columns])
        for line, reason, values in rows:
            writer.writerow([line, reason, *(values.get(name, "") for name in columns)])


def sweep(settings: Settings, kept: set[tuple[int, int]], now: float) -> None:
    """Delete what nobody needs any more: folders of no upload that is kept, and files that never came whole."""
    into = settings.data_dir / "uploads"
    names = {f"{tenant}-{number}" for tenant, number in kept}
    for one in into.iterdir() if into.is_dir() else ():
        if one.is_dir() and one.name not in names:
            shutil.rmtree(one, ignore_errors=True)
        elif one.is_file() and now - one.stat().st_mtime > 3600:
            one.unlink(missing_ok=True)
