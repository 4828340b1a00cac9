"""Whether the links and opens of an answer may be followed, by what the person said, or by their country."""

from app.data.identity.purposes import TRACKING, Defaults
from app.data.profiles.state_codec import StateView


class Tracked:
    """Whether links and opens of people may be followed: by their word, else by the default of their country.

    The state of who refused personal answers has no country, so there the strictest default holds.
    """

    def __init__(self, defaults: Defaults) -> None:
        self._countries = {country: said[TRACKING] for country, said in defaults.countries.items()}
        self._anywhere, self._strictest = defaults.anywhere[TRACKING], defaults.strictest[TRACKING]
        self.by_country = any(said != self._anywhere for said in self._countries.values())

    def of(self, state: StateView) -> bool:
        """Tell whether somebody may be followed."""
        if state.tracking is not None:
            return state.tracking
        return self._strictest if state.consent is False else self._countries.get(state.country, self._anywhere)
