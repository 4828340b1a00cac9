"""The templates a fresh shop has: they stack on a phone without help, and are tables with fixed widths where Outlook's Word draws.

What only newer mail programs know stands in one style sheet: two cards a row on a phone, and dark colours. No two braces and no two
per cent signs touch, since these are template tags of e-mail platforms.
"""

from typing import Any

_FONT = "font-family:Arial,Helvetica,sans-serif;"

_STYLE = (
    "<style>"
    "@media (prefers-color-scheme:dark){.ms-b{background-color:#16191f !important;} .ms-t{color:#f2f4f7 !important;} "
    ".ms-p{color:#c3cad5 !important;} .ms-n{background-color:#2b313b !important;color:#c3cad5 !important;} "
    ".ms-a{background-color:#f2f4f7 !important;} .ms-l{color:#16191f !important;} } "
    "@media (max-width:480px){.ms-c{max-width:50% !important;} .ms-w{max-width:100% !important;} "
    ".ms-i{max-width:100% !important;} .ms-h{padding:10px 20px !important;} }"
    "</style>"
)

_PICTURE = (
    '{% if item.image_url != "" %}<img src="{{ item.image_url }}" width="WIDTH" height="WIDTH" alt="{{ item.title }}" class="ms-i ms-t" '
    'style="display:block;width:100%;max-width:WIDTHpx;height:auto;border:0;' + _FONT + 'font-size:13px;line-height:18px;color:#555555;" />'
    '{% else %}<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"><tr>'
    '<td height="WIDTH" align="center" valign="middle" bgcolor="#eef0f2" class="ms-n" '
    'style="height:WIDTHpx;' + _FONT + 'font-size:14px;line-height:20px;color:#667085;">'
    "{{ item.brand | default: item.category | truncate: 24 }}</td></tr></table>{% endif %}"
)

_LINK = '<a href="{{ item.url }}" class="ms-t" style="color:#1d2939;text-decoration:none;">'
_TITLE = (
    '<span class="ms-t" style="' + _FONT + 'font-size:SIZEpx;line-height:LINEpx;color:#1d2939;">{{ item.title | truncate: LENGTH }}</span>'
)
_PRICE = (
    '{% if item.price_formatted != "" %}<br /><span class="ms-p" style="'
    + _FONT
    + 'font-size:14px;line-height:22px;color:#475467;">{{ item.price_formatted }}</span>{% endif %}'
)


def _picture(width: int) -> str:
    return _PICTURE.replace("WIDTH", str(width))


def _title(size: int, length: int) -> str:
    return _TITLE.replace("SIZE", str(size)).replace("LINE", str(size + 6)).replace("LENGTH", str(length))


def _frame(inside: str) -> str:
    return (
        _STYLE + '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"><tr><td align="center">'
        '<!--[if mso]><table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0"><tr><td width="600"><![endif]-->'
        '<table role="presentation" width="100%" align="center" cellpadding="0" cellspacing="0" border="0" bgcolor="#ffffff" class="ms-b" '
        'style="width:100%;max-width:600px;">' + inside + "</table><!--[if mso]></td></tr></table><![endif]--></td></tr></table>"
    )


_GRID_CARD = (
    '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="table-layout:fixed;">'
    '<tr><td valign="top" style="padding:10px 10px 0 10px;">'
    + _LINK
    + _picture(180)
    + '</a></td></tr><tr><td height="86" align="left" valign="top" style="padding:8px 10px 16px 10px;word-break:break-word;">'
    + _LINK
    + _title(15, 60)
    + _PRICE
    + "</a></td></tr></table>"
)

_GRID_FRAME = _frame(
    '<tr><td align="left" style="font-size:0;line-height:0;">'
    '<!--[if mso]><table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0"><tr><![endif]-->'
    "{% for card in cards %}{% assign side = forloop.index0 | modulo: 3 %}"
    "{% if side == 0 and forloop.first == false %}<!--[if mso]></tr><tr><![endif]-->{% endif %}"
    '<!--[if mso]><td width="200" valign="top"><![endif]-->'
    '<div class="ms-c" style="display:inline-block;width:100%;max-width:200px;vertical-align:top;">{{ card }}</div>'
    "<!--[if mso]></td><![endif]-->{% endfor %}"
    "<!--[if mso]></tr></table><![endif]--></td></tr>"
)

_HERO_CARD = (
    '<!--[if mso]><table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0"><tr>'
    '<td width="280" valign="top"><![endif]-->'
    '<div class="ms-w" style="display:inline-block;width:100%;max-width:280px;vertical-align:middle;">'
    '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"><tr><td style="padding:10px;">'
    + _LINK
    + _picture(260)
    + '</a></td></tr></table></div><!--[if mso]></td><td width="320" valign="middle"><![endif]-->'
    '<div class="ms-w" style="display:inline-block;width:100%;max-width:320px;vertical-align:middle;">'
    '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="table-layout:fixed;"><tr>'
    '<td align="left" valign="middle" class="ms-h" style="padding:10px 20px;word-break:break-word;">'
    + _LINK
    + _title(22, 120)
    + _PRICE
    + '</a><table role="presentation" cellpadding="0" cellspacing="0" border="0"><tr><td height="16">&nbsp;</td></tr>'
    '<tr><td bgcolor="#1d2939" class="ms-a" style="padding:10px 18px;"><a href="{{ item.url }}" class="ms-l" style="'
    + _FONT
    + 'font-size:15px;line-height:20px;color:#ffffff;text-decoration:none;">Show me</a></td></tr></table>'
    "</td></tr></table></div><!--[if mso]></td></tr></table><![endif]-->"
)

_HERO_FRAME = _frame('{% for card in cards %}<tr><td align="left" style="font-size:0;line-height:0;">{{ card }}</td></tr>{% endfor %}')

_TEXT = {
    "frame": "{% for card in cards %}{{ card }}{% unless forloop.last %}\n\n{% endunless %}{% endfor %}\n",
    "card": '{{ item.title }}{% if item.price_formatted != "" %} - {{ item.price_formatted }}{% endif %}\n{{ item.url }}',
}

# what stands above the items of a part
HEADINGS = {
    "html": (
        '<table role="presentation" width="100%%" cellpadding="0" cellspacing="0" border="0"><tr><td align="center">'
        '<!--[if mso]><table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0"><tr><td width="600"><![endif]-->'
        '<table role="presentation" width="100%%" align="center" cellpadding="0" cellspacing="0" border="0" bgcolor="#ffffff" class="ms-b" '
        'style="width:100%%;max-width:600px;"><tr><td align="left" style="padding:18px 10px 2px 10px;">'
        '<h2 class="ms-t" style="margin:0;' + _FONT + 'font-size:20px;line-height:26px;color:#1d2939;word-break:break-word;">%s</h2>'
        "</td></tr></table><!--[if mso]></td></tr></table><![endif]--></td></tr></table>"
    ),
    "text": "%s\n\n",
}

DEFAULTS: dict[str, dict[str, Any]] = {
    "hero": {"html": {"frame": _HERO_FRAME, "card": _HERO_CARD}, "text": _TEXT},
    "grid": {"html": {"frame": _GRID_FRAME, "card": _GRID_CARD}, "text": _TEXT},
}
