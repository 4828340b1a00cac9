"""Named documents that people edit: every version is kept, one is published, drafts are not served, and who did what is told."""
