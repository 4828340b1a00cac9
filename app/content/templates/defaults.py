"""The templates a fresh shop has: tables and inline styles only, since Outlook draws with Word's engine."""

from typing import Any

_FONT = "font-family:Arial,Helvetica,sans-serif;"

_PICTURE = (
    '{% if item.image_url != "" %}<img src="{{ item.image_url }}" width="WIDTH" height="HEIGHT" alt="{{ item.title }}" '
    'style="display:block;width:WIDTHpx;height:HEIGHTpx;border:0;' + _FONT + 'font-size:13px;line-height:18px;color:#555555;" />'
    '{% else %}<table role="presentation" width="WIDTH" cellpadding="0" cellspacing="0" border="0"><tr>'
    '<td width="WIDTH" height="HEIGHT" align="center" valign="middle" bgcolor="#eef0f2" '
    'style="width:WIDTHpx;height:HEIGHTpx;' + _FONT + 'font-size:14px;line-height:20px;color:#667085;">'
    "{{ item.brand | default: item.category | truncate: 24 }}</td></tr></table>{% endif %}"
)


def _picture(width: int, height: int) -> str:
    return _PICTURE.replace("WIDTH", str(width)).replace("HEIGHT", str(height))


_LINK = '<a href="{{ item.url }}" style="color:#1d2939;text-decoration:none;">'
_TITLE = '<span style="' + _FONT + 'font-size:SIZEpx;line-height:LINEpx;color:#1d2939;">{{ item.title | truncate: LENGTH }}</span>'
_PRICE = (
    '{% if item.price_formatted != "" %}<br /><span style="'
    + _FONT
    + 'font-size:14px;line-height:22px;color:#475467;">{{ item.price_formatted }}</span>{% endif %}'
)


def _title(size: int, length: int) -> str:
    return _TITLE.replace("SIZE", str(size)).replace("LINE", str(size + 6)).replace("LENGTH", str(length))


_GRID_CARD = (
    '<table role="presentation" width="180" cellpadding="0" cellspacing="0" border="0" bgcolor="#ffffff" '
    'style="width:180px;table-layout:fixed;"><tr><td width="180">'
    + _LINK
    + _picture(180, 180)
    + '</a></td></tr><tr><td width="180" height="86" valign="top" style="padding:8px 0 16px 0;word-break:break-word;">'
    + _LINK
    + _title(15, 60)
    + _PRICE
    + "</a></td></tr></table>"
)

_GRID_FRAME = (
    '<table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" border="0" bgcolor="#ffffff" '
    'style="width:600px;max-width:100%;">'
    "{% for card in cards %}{% assign side = forloop.index0 | modulo: 3 %}"
    "{% if side == 0 %}<tr>{% endif %}"
    '<td width="180" valign="top" align="center" style="padding:10px;">{{ card }}</td>'
    "{% if side == 2 or forloop.last %}{% if forloop.last and side != 2 %}"
    '<td colspan="{{ 2 | minus: side }}">&nbsp;</td>{% endif %}</tr>{% endif %}'
    "{% endfor %}</table>"
)

_HERO_CARD = (
    '<table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0" bgcolor="#ffffff" '
    'style="width:600px;table-layout:fixed;"><tr>'
    '<td width="260" valign="top" style="padding:10px;">'
    + _LINK
    + _picture(260, 260)
    + '</a></td><td width="280" valign="middle" style="padding:10px 20px;word-break:break-word;">'
    + _LINK
    + _title(22, 120)
    + _PRICE
    + '</a><table role="presentation" cellpadding="0" cellspacing="0" border="0"><tr><td height="16">&nbsp;</td></tr><tr>'
    + '<td bgcolor="#1d2939" style="padding:10px 18px;"><a href="{{ item.url }}" style="'
    + _FONT
    + 'font-size:15px;line-height:20px;color:#ffffff;text-decoration:none;">{{ shop_now | default: "Show me" }}</a></td></tr></table>'
    + "</td></tr></table>"
)

_HERO_FRAME = (
    '<table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" border="0" bgcolor="#ffffff" '
    'style="width:600px;max-width:100%;">'
    "{% for card in cards %}<tr><td>{{ card }}</td></tr>{% endfor %}</table>"
)

_TEXT = {
    "frame": "{% for card in cards %}{{ card }}{% unless forloop.last %}\n\n{% endunless %}{% endfor %}\n",
    "card": '{{ item.title }}{% if item.price_formatted != "" %} - {{ item.price_formatted }}{% endif %}\n{{ item.url }}',
}

DEFAULTS: dict[str, dict[str, Any]] = {
    "hero": {"html": {"frame": _HERO_FRAME, "card": _HERO_CARD}, "text": _TEXT},
    "grid": {"html": {"frame": _GRID_FRAME, "card": _GRID_CARD}, "text": _TEXT},
}
