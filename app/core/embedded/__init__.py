"""PostgreSQL and Valkey from wheels, for a machine on which nothing was set up."""

from app.core.embedded.owner import Services, Urls, services

__all__ = ["Services", "Urls", "services"]
