"""The parameters of an answer, one table: how each is read, what the documents say of it, and what of it a pinned answer hangs on."""

from collections.abc import Callable
from dataclasses import dataclass

from app.content.formats import NAMES
from app.serving.model import context, reading
from app.serving.model.call import Call
from app.serving.model.keeping import kept

_LIST, _SWITCH = ("string", "array"), ("boolean", "integer", "string")


@dataclass(frozen=True)
class Parameter:
    """One parameter of an answer.

    `told` stands in the OpenAPI document, `types` are those of a JSON body. `read` fills the call; who calls, for whom and how strictly
    is read apart. `pins` is what of a call the parameter decides about the items: repeats with the same share an answer; what pins
    `later` is left out of a digest where nothing is said, so that pins from before there was the parameter hold. `shapes` is
    the field of the call by which the same items are written in another way. Repeated values are joined where there may be `many`.
    `meant` are names that people write instead.
    """

    name: str
    told: str
    read: Callable[[Call, str, str], None] | None = None
    types: tuple[str, ...] = ("string",)
    pins: Callable[[Call], str] | None = None
    shapes: str = ""
    later: bool = False
    meant: tuple[str, ...] = ()

    @property
    def many(self) -> bool:
        """Tell whether it may be given several times."""
        return "array" in self.types


# The order of what pins is that of the digest: another one would forget all pins of mailings that are on their way.
PARAMETERS: dict[str, Parameter] = {
    one.name: one
    for one in (
        Parameter("placement", "Where the content is shown.", pins=lambda call: call.placement, meant=("slot",)),
        # the key stands for whoever is named
        Parameter(
            "user_id", "The shop's own id of the person.", types=("string", "integer"), pins=lambda call: call.key.hex(),
            meant=("uid", "user", "userid", "customerid", "customer", "subscriberkey", "contactid"),
        ),
        Parameter("anonymous_id", "The id of a browser or device.", meant=("deviceid", "visitorid")),
        Parameter("email_sha256", "SHA-256 of the trimmed, lower-case address, in hexadecimal.", meant=("email", "emailhash")),
        Parameter("send_id", "Pins the answer, so that all parts of an e-mail agree.", reading.plain, pins=lambda call: call.send_id),
        Parameter("campaign", "Pins the answer for some minutes, as send_id does.", reading.plain, pins=lambda call: call.campaign),
        Parameter(
            "limit", "How many items, 1 to 50; default: the placement's count.", kept(reading.limit), ("integer", "string"),
            pins=lambda call: str(call.limit), meant=("count", "size", "num"),
        ),
        Parameter(
            "item_id", "The item on the page, or the items in the cart, comma-separated.", kept(reading.items), _LIST,
            pins=lambda call: ",".join(call.items), meant=("item", "items", "productid", "product", "sku"),
        ),
        Parameter(
            "exclude", "Items that must not come back, comma-separated.", kept(reading.exclude), _LIST,
            pins=lambda call: ",".join(sorted(call.exclude)),
        ),
        Parameter("category", "Only items of this category.", kept(reading.plain), pins=lambda call: call.category, meant=("cat",)),
        Parameter(
            "locale", "Locale of texts and prices, such as de or en-GB.", kept(reading.locale), shapes="locale",
            meant=("lang", "language"),
        ),
        Parameter("format", NAMES, reading.form, shapes="format"),
        Parameter("escape", "html: texts in JSON are escaped for HTML.", reading.escape, shapes="escape"),
        Parameter("empty", "blank: nothing at all when there are no items.", kept(reading.empty), shapes="blank"),
        Parameter("strict", "1: wrong parameters are errors instead of warnings.", types=_SWITCH),
        Parameter("explain", "1: adds why (scope admin:read).", reading.explain, _SWITCH),
        Parameter(
            "open_pixel", "1: adds the open pixel, 0: leaves it out; default: what the placement says.", reading.open_pixel, _SWITCH,
            shapes="open_pixel",
        ),
        Parameter(
            "channel", "Where it is shown, such as email or web; rules read it.", kept(reading.plain), pins=lambda call: call.channel,
            later=True,
        ),
        Parameter(
            "country", "The country of the request, as two letters; rules read it.", kept(context.country), pins=lambda call: call.country,
            later=True,
        ),
        Parameter(
            "ctx", "What else rules may read, as ctx.<name>=value, such as ctx.weather=hot; in a body an object.", context.context,
            ("object", "string"), pins=lambda call: context.spelled(call.ctx), later=True, meant=("context",),
        ),
        Parameter("key", "A URL key or website key, where no header can be sent.", meant=("apikey",)),
    )
}  # fmt: skip
