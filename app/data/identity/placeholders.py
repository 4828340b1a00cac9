"""Ids that name nobody: words that stand for a missing value, and tags of e-mail platforms that were not filled. Pure."""

import hashlib
import re

_WORDS = (
    "undefined", "null", "none", "nil", "nan", "void", "n/a", "(null)", "(none)", "(not set)", "not set", "not_set", "notset", "unset",
    "empty", "(empty)", "missing", "anonymous", "anon", "guest", "unknown", "not_authenticated", "unauthenticated",
    "not logged in", "true", "false", "id", "uid", "user", "userid", "user_id", "user-id", "anonymousid", "anonymous_id", "customerid",
    "customer_id", "distinctid", "distinct_id", "subscriberkey", "subscriber_key", "contactkey", "email", "email_sha256",
    "[object object]", "[object null]", "[object undefined]", "object object", "[]", "{}", "()", "-", "--", "?", "-1", "system.object",
    "nsnull", "<null>", "<nil>", "<none>", "(nil)",
)  # fmt: skip
WORDS = frozenset(_WORDS)
"""Lower-case texts that languages, shops and spreadsheets write where there is no id."""

# SHA-256 of what platforms hash where the address is missing
_KNOWN = WORDS | {hashlib.sha256(word.encode()).hexdigest() for word in ("", " ", *_WORDS)}
# Most ids have none of these, and then no tag is looked for.
_SUSPICIOUS = re.compile(r"[{}%*<>\[\]$#|@~]").search
_TAG = re.compile(
    r"\{\{|\}\}"  # Liquid, Handlebars, Jinja: {{ customer.id }}, {{${user_id}}}
    r"|\{%|%\}|\[%|%\]"  # Liquid's and Twig's statements, Template Toolkit
    r"|[$#@]\{[^{}]*\}"  # ${...}, #{...}, @{...}
    r"|%%[^%]+%%"  # AMPscript: %%subscriberkey%%, %%=v(@id)=%%
    r"|\*\|.*\|\*|\|\*.*\*\|"  # Mailchimp
    r"|<%.*%>|<\?.*\?>"  # Adobe Campaign, ERB, PHP
    r"|\[\[.*\]\]|\(\(.*\)\)"
).search
_WHOLE_TAG = re.compile(
    r"\{[$]?[A-Za-z_][A-Za-z0-9_.|: ]*\}"  # {user_id}, {$email}: no braces around a GUID, which has dashes
    r"|\[[A-Za-z_][A-Za-z0-9_.:\- ]*\]"  # [user_id]
    r"|<[A-Za-z_/][^<>]*>"  # <user id>
    r"|%[A-Za-z_][A-Za-z0-9_.\-]*%"  # Mailgun: %recipient.id%
    r"|\$[A-Za-z_][A-Za-z0-9_.]*\$?"  # Emarsys: $uid$, shells: $USER_ID
    r"|#{1,2}[A-Za-z_][A-Za-z0-9_.]*#{1,2}"
    r"|@{1,2}[A-Za-z_][A-Za-z0-9_.]*@{1,2}"  # Dotdigital: @EMAIL@
    r"|~{1,2}[A-Za-z_][A-Za-z0-9_.]*~{1,2}"
    r"|\*[A-Za-z_][A-Za-z0-9_.]*\*"
).fullmatch
# 0, 0000-00 and the like, and the UUID of all ones
_FILLER = re.compile(r"[0-]+|[f-]{32,}").fullmatch
_QUOTES = "\"'`"
_LONGEST_SHOWN = 40


def names_nobody(value: str) -> bool:
    """Tell whether an id, trimmed, stands for nobody; the id itself may be a SHA-256 of such a word."""
    # asked on the fast path: most ids leave after a look-up and a search for few characters
    lower = value.lower()
    if lower in _KNOWN:
        return True
    first = lower[0]
    if first in _QUOTES and lower[-1] in _QUOTES:
        inner = value.strip(_QUOTES).strip()
        return not inner or names_nobody(inner)
    if first in "0-f" and _FILLER(lower) is not None:
        return True
    return _SUSPICIOUS(value) is not None and (_TAG(value) is not None or _WHOLE_TAG(value) is not None)


def nobody(field: str, value: str) -> str:
    """Return what a sender is told of an id that names nobody."""
    shown = value if len(value) <= _LONGEST_SHOWN else value[:_LONGEST_SHOWN] + "..."
    unfilled = _SUSPICIOUS(value) is not None and value.lower() not in WORDS
    why = "is a tag that was not filled" if unfilled else "stands for a missing value"
    return f'{field}: "{shown}" {why} and names nobody; it was left out'
