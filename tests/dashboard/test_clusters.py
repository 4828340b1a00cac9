"""Clusters in the dashboard: made in fields, found by the worker, told in words, pictures and figures; versions, segments of one."""

import html
import re
from typing import Any

from app.access.accounts.domain import Role
from app.dashboard.pages.data.clusters import figure
from tests.dashboard.site import Browser, Site
from tests.dashboard.test_documents import fields
from tests.dashboard.test_people import waited


def found(site: Site, name: str) -> Any:
    """Return a clustering once its published version was found."""
    with site.admin() as admin:

        def ready() -> Any:
            told = admin.get(f"/v1/admin/clusters/{name}").json()
            return told if told["ready"] else None

        return waited(ready)


def test_a_clustering_is_made_in_fields_and_told_in_words_pictures_and_figures(site: Site, browser: Browser) -> None:
    form = fields(browser.get("/clusters/new?name=habits"))
    assert "days_since.seen\nactive_days.90d" in str(form["features"])
    written = {**form, "features": "views\r\n\r\n orders ", "k": "", "description": "<Habits>", "act": "publish"}
    assert "its clusters are found within seconds" in browser.post("/clusters/habits", **written)
    told = found(site, "habits")["found"]
    page = html.unescape(browser.get("/clusters/habits"))
    assert page.count('<circle class="dot s0"') == 2, "the number taken is marked on both curves"
    for one in told["clusters"]:
        assert one["sentence"] in page
        assert f"/segments/new?name=habits-{one['label']}&when=cluster.habits+%3D+{one['label']}" in page
        for feature in ("views", "orders"):
            assert page.count(figure(one["values"][feature])) >= 2, "in the picture and in the table"
    for title in ("Silhouette by number of clusters", "Sum of squares by number of clusters", "People by cluster", "Who moved"):
        assert title in page
    listed = browser.get("/clusters")
    assert 'href="/clusters/habits"' in listed
    assert "&lt;Habits&gt;" in listed
    assert re.search(r"views, orders", listed)
    begun = browser.get("/segments/new?name=habits-1&when=cluster.habits+%3D+1")
    assert "cluster.habits = 1</textarea>" in begun
    assert 'href="/clusters"' in browser.get("/segments")


def test_what_is_wrong_stands_beside_its_field_and_nothing_is_lost(browser: Browser) -> None:
    form = {**fields(browser.get("/clusters/new?name=wrong")), "act": "publish"}
    page = html.unescape(browser.post("/clusters/wrong", 422, **{**form, "features": "ordrs\nspent"}))
    assert "did you mean orders?" in page
    assert "ordrs\nspent</textarea>" in page
    for k in ("99", "many", "2.5"):
        page = browser.post("/clusters/wrong", 422, **{**form, "k": k})
        assert f'value="{k}" aria-describedby="k-help" aria-invalid="true"' in page
    assert 'aria-invalid="true"' in browser.post("/clusters/wrong", 422, **{**form, "features": " "})
    browser.get("/clusters/never-made", 404)
    browser.get("/clusters/never-made/edit", 404)


def test_versions_drafts_two_editors_and_what_a_segment_rests_on(site: Site, browser: Browser) -> None:
    body = {"features": "views", "k": "2", "act": "publish"}
    browser.post("/clusters/kept", **body)
    assert "Kept as draft 2" in browser.post("/clusters/kept", **{**body, "k": "3", "act": "draft"})
    browser.post("/clusters/kept/versions/2")
    page = browser.post("/clusters/kept", 412, **{**body, "k": "4", "base": "1"})
    assert "Somebody published version 2 while you wrote" in page
    assert 'value="4"' in page
    assert len(found(site, "kept")["found"]["clusters"]) == 3
    with site.admin() as admin:
        assert admin.put("/v1/admin/segments/of-kept", json={"when": "cluster.kept = 1"}).status_code == 200
        assert "of-kept" in browser.post("/clusters/kept/delete")
        assert admin.delete("/v1/admin/segments/of-kept").status_code == 204
    assert "kept is out of use" in browser.post("/clusters/kept/delete")
    assert "not published" in browser.get("/clusters/kept")


def test_a_clustering_of_too_few_people_says_so(site: Site, browser: Browser) -> None:
    browser.post("/clusters/rare", features="trait[nobody_has_it]", act="publish")
    found(site, "rare")
    assert "There are too few people of whom this is known" in browser.get("/clusters/rare")
    assert "too few people" in browser.get("/clusters")


def test_who_may_only_look_is_shown_no_way_to_change(site: Site) -> None:
    marketer, viewer = site.browser(Role.MARKETER), site.browser(Role.VIEWER)
    marketer.post("/clusters/by-marketer", features="views", act="publish")
    found(site, "by-marketer")
    assert "Make a segment" in marketer.get("/clusters/by-marketer")
    page = viewer.get("/clusters/by-marketer").split("<dialog")[0]
    assert "Make a segment" not in page
    assert "Take out of use" not in page
    assert "Publish</button>" not in viewer.get("/clusters/by-marketer/edit")
    viewer.post("/clusters/by-marketer", 403, features="orders")
