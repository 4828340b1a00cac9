"""Reads the settings for a command."""

import sys

import typer
from pydantic import ValidationError

from app.core import logging
from app.core import settings as core_settings
from app.core.settings import Settings


def settings() -> Settings:
    """Read the settings, or end with what is wrong with them."""
    try:
        found = core_settings.load()
    except ValidationError as error:
        for one in error.errors():
            typer.echo(f"MORSEL_{'_'.join(str(p) for p in one['loc']).upper()}: {one['msg']}", err=True)
        raise typer.Exit(2) from None
    logging.configure(found.log_level, "console" if sys.stderr.isatty() else found.log_format)
    return found
