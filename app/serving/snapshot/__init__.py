"""The picture of a tenant that answers read: built from PostgreSQL, kept on disk, followed."""
