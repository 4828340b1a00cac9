"""Where keys lie on a Cluster."""

from app.core.ids import IdentityKind, person_key, person_keys, pin_key, state_key
from app.core.redis_slots import slot_of


def test_all_that_an_answer_reads_of_a_person_lies_on_one_node() -> None:
    for number in range(50):
        key = person_key(1, IdentityKind.USER_ID, f"u{number}")
        read = (*person_keys(1, key, "als", "abc", ""), pin_key(1, key, bytes([number]) * 15), state_key(1, key))
        assert len({slot_of(one) for one in read}) == 1


def test_pins_of_a_person_differ_by_what_was_asked_for_and_of_nobody_are_spread() -> None:
    key = person_key(1, IdentityKind.USER_ID, "u")
    assert pin_key(1, key, b"a" * 15) != pin_key(1, key, b"b" * 15)
    assert len({slot_of(pin_key(1, b"", bytes([number]) * 15)) for number in range(50)}) > 40
