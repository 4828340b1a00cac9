"""One file a page, by the menu's groups; a line in `PAGES` opens it."""

from app.dashboard.pages import home
from app.dashboard.pages.content import dry_runs, models, placements, rules, sends, templates
from app.dashboard.pages.data import catalogue, clusters, events, facts, imports, people, refused, segment_editor, segments, signals
from app.dashboard.pages.system import access, account, audit, health, sign_in, styleguide

PAGES = (
    sign_in,
    home,
    placements,
    rules,
    templates,
    dry_runs,
    imports,
    catalogue,
    people,
    segment_editor,
    segments,
    clusters,
    facts,
    refused,
    events,
    models,
    sends,
    signals,
    access,
    account,
    audit,
    health,
    styleguide,
)
ROUTERS = tuple(page.router for page in PAGES)
