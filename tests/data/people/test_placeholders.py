"""Ids that name nobody are no person on any way in; ids of people that merely look odd are."""

import hashlib

import pytest

from app.data.identity.domain import email_identity, id_fault, identity_of
from app.data.identity.placeholders import names_nobody
from app.sends.service import given


@pytest.mark.parametrize(
    "value",
    [
        "undefined", "Undefined", "null", "None", "NaN", "nil", "[object Object]", '"undefined"', "''", "(not set)", "N/A", "0", "-1",
        "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "guest", "anonymous",
        "{{${user_id}}}", "{{ customer.id }}", "{{contact.ID}}", "{% if user %}", "%%subscriberkey%%", "%%=v(@id)=%%",
        "*|EMAIL|*",
        "|*ID*|", "${user.id}", "#{id}", "@{id}", "<%= recipient.id %>", "<?php echo $id ?>",
        "[[id]]", "{user_id}", "{$email}", "[user_id]",
        "<user id>", "%recipient.id%", "$uid$", "$USER_ID", "##id##", "@EMAIL@", "~Contact.Id~", "prefix-{{ id }}",
        hashlib.sha256(b"").hexdigest(), hashlib.sha256(b"undefined").hexdigest(),
    ],
)  # fmt: skip
def test_missing_values_and_unfilled_tags_name_nobody(value: str) -> None:
    assert names_nobody(value)
    assert "names nobody" in str(id_fault(value))


@pytest.mark.parametrize(
    "value",
    ["ann", "u00042", "42", "00123", "AB/12", "a b", "a%b", "50%", "100%25", "a*b", "#12", "$12", "@ann", "ann@shop.example", "Zoë", "用户",
     "{3F2504E0-4F89-11D3-9A0C-0305E82C3301}", "undefined-1", "nullable", "noneill", "fff", "a[1]", "<3", "a|b", "~ann"],
)  # fmt: skip
def test_odd_ids_of_people_stay_people(value: str) -> None:
    assert not names_nobody(value)
    assert id_fault(value) is None


def test_ids_are_trimmed_in_admin_calls_as_in_events() -> None:
    assert identity_of(" ann\t", "user_id") == identity_of("ann", "user_id")
    assert identity_of(" AB ", "email_sha256") == (3, "ab")


def test_an_unfilled_tag_is_no_address() -> None:
    assert email_identity("{{ email }}@shop.example") is None
    assert email_identity("ann@shop.example") is not None


def test_lists_of_sends_take_nobody_for_nobody_and_trim() -> None:
    told = [(one.user_id, one.fault) for one in given([" ann ", "{{ id }}", 42])]
    assert told == [("ann", ""), ("{{ id }}", "names nobody (a missing value, or a tag that was not filled)"), ("42", "")]
