"""What something else names is not deleted unseen: whoever tries is told what names it, until nothing does."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.documents.test_kit import send
from tests.serving.shop import Shop

PART = {"frame": "{% for card in cards %}{{ card }}{% endfor %}", "card": "<b class='vip'>{{ item.title }}</b>"}


def template(card: str) -> dict[str, Any]:
    return {"html": {**PART, "card": card}, "text": {**PART, "card": "{{ item.title }}"}}


IF_VIP = "{% if person.segments contains 'vip' %}!{% endif %}{{ item.title }}"
NAMING_VIP = {
    "segments/others": {"when": "views > 0 and not segment.vip"},
    "placements/shelf": {"count": 2, "segments": ["vip"]},
    "placements/sieve": {"count": 2, "filter": {"where": "item.price > 1 and segment.vip"}},
    "rules/when": {"action": "exclude", "items": ["i1"], "when": "segment.vip"},
    "rules/sum": {"action": "formula", "formula": "score * (segment.vip ? 2 : 1)"},
    "templates/contains": template(IF_VIP),
    "templates/loop": template("{% for one in person.segments %}{% if one == \"vip\" %}!{% endif %}{% endfor %}{{ item.title }}"),
    "templates/fact": template("{{ person.facts['segment.vip'] }}{{ item.title }}"),
}  # fmt: skip
NAMING_VALUE = {
    "segments/best": {"when": "cluster.value = 2"},
    "placements/sieve": {"count": 2, "filter": {"where": "item.price > 1 and cluster.value = 1"}},
    "rules/when": {"action": "exclude", "items": ["i1"], "when": "cluster.value = 1"},
    "templates/fact": template("{{ person.facts['cluster.value'] }}{{ item.title }}"),
}


async def published(shop: Shop, path: str, body: Any) -> None:
    answer = await send(shop, "PUT", path, body)
    assert answer.status_code == 200, answer.text


async def refused(shop: Shop, path: str) -> str:
    answer = await send(shop, "DELETE", path)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict"), answer.text
    return str(answer.json()["detail"])


@pytest.mark.parametrize(
    ("path", "body", "naming"),
    [("segments/vip", {"when": "orders >= 0"}, NAMING_VIP), ("clusters/value", {"features": ["views"]}, NAMING_VALUE)],
)
async def test_segments_and_clusterings_stay_while_documents_name_them(
    shop: Shop, path: str, body: dict[str, Any], naming: dict[str, dict[str, Any]]
) -> None:
    await published(shop, path, body)
    # a word beside the language says nothing of a segment
    await published(shop, "templates/plain", template(PART["card"]))
    for other, document in naming.items():
        await published(shop, other, document)
    kind, name = path.split("s/")
    told = await refused(shop, path)
    assert told.startswith(f"The {kind} {name} cannot be deleted: it is named by ")
    for other in naming:
        assert f"the {other.replace('s/', ' ')}" in told
    assert "plain" not in told
    for other in naming:
        assert f"the {other.replace('s/', ' ')}" in await refused(shop, path)
        assert (await send(shop, "DELETE", other)).status_code == 204
    assert (await send(shop, "DELETE", path)).status_code == 204


async def test_features_of_a_clustering_and_audiences_of_open_sends_keep_a_segment(shop: Shop) -> None:
    await published(shop, "segments/vip", {"when": "orders >= 0"})
    await published(shop, "clusters/value", {"features": ["views", "segment.vip ? 1 : 0"]})
    assert "the cluster value" in await refused(shop, "segments/vip")
    assert (await send(shop, "DELETE", "clusters/value")).status_code == 204
    start = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for audience in ({"segment": "vip"}, {"when": "views >= 0 and segment.vip"}):
        made = await send(shop, "POST", "sends", {"name": "June", "placement": "email-grid", "start": start, "duration_s": 600, **audience})
        assert made.status_code == 201, made.text
        number = made.json()["id"]
        assert f"the send {number} (June)" in await refused(shop, "segments/vip")
        assert (await send(shop, "DELETE", f"sends/{number}")).status_code in (200, 204)
    assert (await send(shop, "DELETE", "segments/vip")).status_code == 204


async def test_drafts_and_former_versions_hold_nothing(shop: Shop) -> None:
    await published(shop, "segments/vip", {"when": "orders >= 0"})
    await published(shop, "rules/when", {"action": "exclude", "items": ["i1"], "when": "segment.vip"})
    await published(shop, "rules/when", {"action": "exclude", "items": ["i1"]})
    assert (await send(shop, "PUT", "rules/when/draft", {"action": "exclude", "items": ["i2"], "when": "segment.vip"})).status_code == 200
    assert (await send(shop, "DELETE", "segments/vip")).status_code == 204


async def test_a_template_stays_while_placements_name_it_and_many_are_counted(shop: Shop) -> None:
    await published(shop, "templates/mine", template(PART["card"]))
    for number in range(12):
        await published(shop, f"placements/shelf-{number:02}", {"count": 2, "template": "mine"})
    told = await refused(shop, "templates/mine")
    assert "the placement shelf-09 and 2 more. Change these first." in told
