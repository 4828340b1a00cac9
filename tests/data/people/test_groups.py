"""Which ids are one person: a function of the set of links, whatever comes first or twice."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.data.identity.domain import Link, Said, consent_of, email_identity, group, newest_country, rank

T0 = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = {**dict.fromkeys(range(1, 5), 1), **dict.fromkeys(range(5, 8), 3), **dict.fromkeys(range(8, 12), 2)}


def link(one: int, other: int, minute: int = 0, message: bytes = b"m") -> Link:
    """A link from the weaker to the stronger of two people, or between users by number."""
    start, end = sorted((one, other), key=lambda p: (KINDS[p] == 1, KINDS[p] == 3, p))
    return Link(rank(KINDS[start], KINDS[end]), T0 + timedelta(minutes=minute), message, start, end)


def groups(links: list[Link], most: int = 100) -> set[tuple[int, ...]]:
    of, _ = group(KINDS, links, most)
    return {tuple(members) for members in of.values()}


LINKS = st.lists(
    st.builds(link, st.integers(1, 11), st.integers(1, 11), st.integers(0, 5), st.binary(min_size=1, max_size=1)).filter(
        lambda one: one.from_no != one.to_no and not (one.rank and KINDS[one.from_no] == KINDS[one.to_no])
    ),
    max_size=14,
)


@given(LINKS, st.randoms(use_true_random=False), st.integers(2, 12))
def test_groups_depend_on_the_set_of_links_alone(links: list[Link], random: st.DataObject, most: int) -> None:
    shuffled = links + links[: len(links) // 2]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert groups(shuffled, most) == groups(links, most)


@given(LINKS, st.integers(2, 12))
def test_no_group_is_larger_than_allowed_and_users_meet_only_through_links_between_users(links: list[Link], most: int) -> None:
    found = groups(links, most)
    assert max(map(len, found)) <= most
    assert sorted(p for members in found for p in members) == sorted(KINDS)
    between_users = groups([one for one in links if one.rank == 0], most)
    for members in found:
        users = tuple(p for p in members if KINDS[p] == 1)
        assert len(users) < 2 or users in between_users


def test_a_device_that_two_users_share_belongs_to_the_first_by_time_not_by_arrival() -> None:
    early, late = link(8, 1, minute=1), link(8, 2, minute=2)
    assert groups([late, early]) >= {(1, 8), (2,)}


def test_of_two_claims_at_one_moment_the_message_id_decides() -> None:
    assert (2, 8) in groups([link(8, 1, message=b"y"), link(8, 2, message=b"x")])


def test_aliases_in_a_circle_are_one_group() -> None:
    assert (1, 2, 3) in groups([link(1, 2), link(2, 3), link(3, 1), link(2, 1)])


def test_a_full_group_keeps_its_earliest_links() -> None:
    found, full = group(KINDS, [link(8, 1, minute=3), link(9, 1, minute=1), link(10, 1, minute=2)], 3)
    assert found[1] == [1, 9, 10]
    assert full == {link(8, 1, minute=3)}


def test_a_refusal_holds_for_the_group_until_a_later_yes_of_that_group() -> None:
    assert consent_of([Said(1, None, None)]) is None
    assert consent_of([Said(1, True, None), Said(2, None, None)]) is True
    assert consent_of([Said(1, True, None), Said(2, False, None)]) is False
    assert consent_of([Said(1, True, None), Said(2, False, 1)]) is True
    assert consent_of([Said(2, False, 1)]) is False


def test_the_country_told_last_counts() -> None:
    later = T0 + timedelta(days=1)
    assert newest_country([("GB", later), ("DE", T0), ("", None)]) == "GB"
    assert newest_country([("GB", T0), ("DE", T0)]) == "GB"
    assert newest_country([("DE", T0), ("GB", None)]) == "DE"
    assert newest_country([]) == ""


def test_an_e_mail_address_is_known_by_its_hash_whatever_its_case() -> None:
    assert email_identity(" Ann@Shop.Example\n") == email_identity("ann@shop.example") is not None
    assert [email_identity(x) for x in ("", "ann", "@", "a@", "@b", "a b@c", "x" * 320 + "@c", "\ud800@c", None, 7, ["a@b"])] == [None] * 11
