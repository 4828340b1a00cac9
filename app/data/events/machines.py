"""Which opens and clicks are a machine's, and why: rules as data, and small functions over them. Pure.

A rule that needs one request is settled when it comes; one that needs several is settled again each time another of them
arrives (`judge`), so the order of arrival does not matter. The text of a user agent is read here and kept nowhere.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache


class Client(IntEnum):
    """What kind of program asked; the numbers stand in stored events."""

    BROWSER = 1
    MAIL_APP = 2
    IMAGE_PROXY = 3
    PREFETCHER = 4
    SCANNER = 5
    PREVIEW = 6
    CRAWLER = 7
    SCRIPT = 8
    UNKNOWN = 9


class Mark(IntEnum):
    """Why an open or a click is taken for a machine's; the numbers stand in stored events. From `SEVERAL` on they need several."""

    APPLE_MAIL_PRIVACY = 1
    GMAIL_PREFETCH = 2
    SECURITY_SCANNER = 3
    LINK_PREVIEW = 4
    CRAWLER = 5
    SCRIPT = 6
    OFFICE_LINK_CHECK = 7
    TOLD = 8
    TOO_SOON_AFTER_SERVE = 9
    BROWSER_PREFETCH = 10
    MANY_LINKS_AT_ONCE = 50
    TOO_SOON_AFTER_DELIVERY = 51
    NO_BROWSER_AND_NO_OPEN = 52

    @property
    def reason(self) -> str:
        """The name that reports and documents use."""
        return self.name.lower()


SEVERAL = Mark.MANY_LINKS_AT_ONCE
TOO_SOON_S = 5.0
BURST_S = 2.0
BURST_LINKS = 3


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    client: Client
    on_open: Mark | None
    on_click: Mark | None


def _rule(pattern: str, client: Client, on_open: Mark | None, on_click: Mark | None) -> _Rule:
    return _Rule(re.compile(pattern), client, on_open, on_click)


# The first that fits counts; agents in lower case. Each line says what public documents say of these programs.
_RULES = (
    # gateways that open and click all there is before the mail is delivered
    _rule(
        r"barracuda|mimecast|proofpoint|ironport|cisco ?secure|messagelabs|symantec|fireeye|trellix|sophos|trend ?micro|tmes\b"
        r"|forti(?:mail|net|guard)|zscaler|forcepoint|websense|safelinks|microsoft (?:threat|defender|security|exchange)"
        r"|windows ?defender|o365linkprotection|mailmarshal|trustwave|cloudmark|check ?point|avanan|virustotal|urlscan|spamassassin"
        r"|vade ?secure|hornetsecurity|bitdefender|kaspersky",
        Client.SCANNER, Mark.SECURITY_SCANNER, Mark.SECURITY_SCANNER,
    ),
    # what draws a small picture of a link that somebody pasted, or hovers over
    _rule(
        r"^whatsapp/|facebookexternalhit|facebookcatalog|facebot|meta-externalagent|twitterbot|linkedinbot|slackbot|slack-imgproxy"
        r"|telegrambot|discordbot|skypeuripreview|bingpreview|microsoftpreview|snap url preview|pinterestbot|redditbot|embedly"
        r"|google-pagerenderer|google web preview|vkshare|viber/|iframely|linkpreview|teams-?urlpreview",
        Client.PREVIEW, Mark.LINK_PREVIEW, Mark.LINK_PREVIEW,
    ),
    # Cubot is a maker of phones
    _rule(r"(?<!cu)bot\b|(?<!cu)bot[/;_-]|crawl|spider|slurp|archiver|feedfetcher|mediapartners-google|google-read-aloud|lighthouse",
          Client.CRAWLER, Mark.CRAWLER, Mark.CRAWLER),
    _rule(
        r"^curl/|^wget/|python-requests|python-urllib|python-httpx|aiohttp|go-http-client|^java/|apache-httpclient|jakarta|jetty|libwww"
        r"|lwp::|^ruby|^php/|guzzlehttp|^axios/|node-fetch|undici|lua-resty|scrapy|headlesschrome|phantomjs|puppeteer|playwright|selenium"
        r"|postmanruntime|powershell",
        Client.SCRIPT, Mark.SCRIPT, Mark.SCRIPT,
    ),
    # Office asks whether a link exists before it hands it to the browser, which then asks itself
    _rule(r"microsoft office (?:existence|protocol) discovery|microsoft-webdav",
          Client.PREVIEW, Mark.OFFICE_LINK_CHECK, Mark.OFFICE_LINK_CHECK),
    # Outlook for telephones shows pages by itself
    _rule(r"^outlook-(?:ios|android)", Client.MAIL_APP, None, None),
    # Outlook for Windows loads pictures when a letter is read, and leaves pages to the browser
    _rule(r"ms-office|msoffice|microsoft outlook|^microsoft office/", Client.MAIL_APP, None, Mark.OFFICE_LINK_CHECK),
    # Gmail fetches before the letter is shown, with the words of a browser of 2015
    _rule(r"chrome/42\.0\.2311\.135 safari/537\.36 edge/12\.246", Client.PREFETCHER, Mark.GMAIL_PREFETCH, Mark.LINK_PREVIEW),
    # these fetch when the letter is read: a person, seen through a proxy; pages they never ask for
    _rule(r"googleimageproxy|yahoomailproxy|ggpht\.com", Client.IMAGE_PROXY, None, Mark.LINK_PREVIEW),
    # Apple fetches all pictures of all letters, read or not
    _rule(r"^mozilla/5\.0$", Client.PREFETCHER, Mark.APPLE_MAIL_PRIVACY, None),
    _rule(r"thunderbird/|lotus-notes|^airmail|^spark/|^emclient", Client.MAIL_APP, None, None),
    _rule(r"^mozilla/.*(?:applewebkit/|gecko/|trident/|msie |khtml/)|^opera/", Client.BROWSER, None, None),
)  # fmt: skip


@lru_cache(maxsize=2048)
def classify(agent: str, *, opened: bool) -> tuple[Client, Mark | None]:
    """Return what kind of program a user agent names, and the mark of its open (or else click); without any word it is unknown."""
    text = agent.strip().lower()[:1000]
    for rule in _RULES:
        if rule.pattern.search(text):
            mark = rule.on_open if opened else rule.on_click
            # an agent without any word of a browser cannot be a person's click, unless an open says so (`judge`)
            client = Client.UNKNOWN if rule.client is Client.PREFETCHER and mark is None else rule.client
            return client, mark
    return Client.UNKNOWN, None


def settle(agent: str, *, opened: bool, prefetch: bool = False, after_s: float | None = None) -> tuple[Client, Mark | None]:
    """Return client and mark of one request for a picture or a page.

    `prefetch`: the browser said that it only looks ahead. `after_s`: seconds since the content of a letter was asked for, which
    a person needs some of before a click; None when it was no letter.
    """
    client, mark = classify(agent, opened=opened)
    if mark is None and prefetch:
        mark = Mark.BROWSER_PREFETCH
    if mark is None and not opened and after_s is not None and after_s < TOO_SOON_S:
        mark = Mark.TOO_SOON_AFTER_SERVE
    return client, mark


@dataclass(frozen=True, slots=True)
class Seen:
    """An open or a click of one serve; `at` in unix seconds, `own` the mark it has by itself."""

    key: Hashable
    at: float
    click: bool
    item: int | None
    client: int | None
    own: int | None


def judge(seen: Sequence[Seen], delivered: Sequence[float] = ()) -> dict[Hashable, int | None]:
    """Return the mark of each open and click of one serve, given the moments its letter was delivered.

    What has a mark by itself keeps it. The result depends on the set alone, never on the order in which it became known.
    """
    bursts = _bursts([one for one in seen if one.click])
    opens = [one.at for one in seen if not one.click and one.own is None and not _within(one.at, bursts, BURST_S)]
    first_open = min(opens, default=None)
    return {one.key: one.own if one.own is not None else _mark(one, bursts, delivered, first_open) for one in seen}


def _mark(one: Seen, bursts: Sequence[tuple[float, float]], delivered: Sequence[float], first_open: float | None) -> int | None:
    if _within(one.at, bursts, 0.0 if one.click else BURST_S):
        return int(Mark.MANY_LINKS_AT_ONCE)
    if not one.click:
        return None
    if any(abs(one.at - moment) < TOO_SOON_S for moment in delivered):
        return int(Mark.TOO_SOON_AFTER_DELIVERY)
    if one.client == Client.UNKNOWN and (first_open is None or first_open > one.at):
        return int(Mark.NO_BROWSER_AND_NO_OPEN)
    return None


def _bursts(clicks: Sequence[Seen]) -> list[tuple[float, float]]:
    """Return from when to when several different links were clicked faster than a person can."""
    ordered = sorted(clicks, key=lambda one: one.at)
    near: Counter[int | None] = Counter()
    found: list[tuple[float, float]] = []
    last = 0
    for one in ordered:
        while last < len(ordered) and ordered[last].at - one.at <= BURST_S:
            near[ordered[last].item] += 1
            last += 1
        if len(near) >= BURST_LINKS:
            end = ordered[last - 1].at
            found.append((found.pop()[0], end) if found and one.at <= found[-1][1] else (one.at, end))
        near[one.item] -= 1
        if not near[one.item]:
            del near[one.item]
    return found


def _within(at: float, spans: Sequence[tuple[float, float]], slack: float) -> bool:
    # the spans ascend and do not overlap
    place = bisect_right(spans, at + slack, key=lambda span: span[0])
    return place > 0 and at <= spans[place - 1][1] + slack
