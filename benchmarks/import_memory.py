"""Rows a second and peak memory of an event import: `python benchmarks/import_memory.py MAPPING FILE...`."""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

from app.core import migrations
from app.core.db import Database
from app.core.embedded import services
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from app.data.events.formats.mapping import load
from app.data.events.sources.files import import_events


async def measure(settings: Settings, url: str, mapping: Path, paths: list[Path]) -> None:
    """Import the files twice and print what happened."""
    db = Database(url)
    for turn in ("first", "second"):
        began = time.monotonic()
        report = await import_events(db, settings, DEFAULT_TENANT, "benchmark", paths, load(mapping))
        seconds = time.monotonic() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{turn}: {report.read:,} rows in {seconds:.1f} s, {report.read / seconds:,.0f} rows/s, peak {peak:.0f} MiB")
        print(f"  landed {report.landed:,} · duplicate {report.duplicate:,} · refused {report.refused:,} · repeated {report.repeated:,}")
        print(f"  {dict(report.reasons)}")
        if report.read != report.landed + report.duplicate + report.refused:
            sys.exit("rows are missing from the report")
    await db.close()


def main() -> None:
    """Start private servers and measure."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("mapping", type=Path)
    arguments.add_argument("files", type=Path, nargs="+")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="morsel-") as folder:
        settings = Settings(data_dir=Path(folder))
        with services(settings) as urls:
            migrations.upgrade(urls.database_url)
            asyncio.run(measure(settings, urls.database_url, given.mapping, given.files))


if __name__ == "__main__":
    main()
