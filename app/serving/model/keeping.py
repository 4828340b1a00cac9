"""Which parameters are recorded beside an answer."""

from collections.abc import Callable

from app.serving.model.call import Call

Read = Callable[[Call, str, str], None]


def kept(read: Read) -> Read:
    """Return what reads a parameter that is recorded, so that the request can be asked again."""

    def reading(call: Call, name: str, value: str) -> None:
        read(call, name, value)
        call.said = True

    return reading
