"""The list of facts: what there is, and what a name means."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from app.data.facts import moments, people, standing
from app.data.facts.domain import Fact, Read, Ref, Value


class Unknown(ValueError):
    """There is no such fact; the text says so, and which is nearest."""


class Facts:
    """Facts by name."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self.by_name: dict[str, Fact] = {fact.name: fact for fact in facts}

    def find(self, parts: list[str], key: str | None, window: str) -> tuple[Fact, Ref]:
        """Return the fact and the reference that a spelling means: `parts` before the bracket, what is in it, and what follows.

        Without a bracket `parts` is the whole name. Raises Unknown.
        """
        name = ".".join(parts)
        if key is None and name not in self.by_name:
            head, _, last = name.rpartition(".")
            fact = self.by_name.get(head)
            if fact is not None and (last in fact.windows or last[:1].isdigit()) and not fact.dotted:
                name, window = head, last
            elif fact is not None and fact.dotted:
                return fact, _checked(fact, Ref(head, last, window))
            else:
                # a key may hold dots of its own, as `trait.address.city`
                for cut in range(len(parts) - 1, 0, -1):
                    fact = self.by_name.get(".".join(parts[:cut]))
                    if fact is not None and fact.dotted:
                        return fact, _checked(fact, Ref(fact.name, ".".join(parts[cut:]), window))
        fact = self.by_name.get(name)
        if fact is None:
            raise Unknown(f"there is no fact {name}{self._near(name)}")
        return fact, _checked(fact, Ref(name, key or "", window))

    def of(self, ref: Ref) -> Fact:
        """Return the fact of a reference that was found before."""
        return self.by_name[ref.name]

    def reading(self, ref: Ref) -> Read:
        """Return what reads a reference."""
        return self.by_name[ref.name].reading(ref)

    def _near(self, name: str) -> str:
        head = name.rpartition(".")[0]
        found = difflib.get_close_matches(name, self.by_name, 1, 0.5) or difflib.get_close_matches(head, self.by_name, 1, 0.6)
        return f"; did you mean {found[0]}?" if found else "; `morsel facts list` tells which there are"


class Remembering(Facts):
    """Facts that are read once a view, for many conditions that ask for the same."""

    def reading(self, ref: Ref) -> Read:
        """Return what reads a reference, from the view's memo where it has one."""
        plain = super().reading(ref)

        def read(view: Any) -> Value:
            memo = view.memo
            if memo is None:
                return plain(view)
            if ref in memo:
                return memo[ref]  # type: ignore[no-any-return]
            value = memo[ref] = plain(view)
            return value

        return read


def _checked(fact: Fact, ref: Ref) -> Ref:
    if ref.window and ref.window not in fact.windows:
        told = f"it takes {', '.join(fact.windows)}" if fact.windows else "it has no windows"
        raise Unknown(f"{fact.name} has no window {ref.window}: {told}")
    if fact.key_needed and not ref.key:
        raise Unknown(f"{fact.name} needs a {fact.keys} in brackets, as {fact.name}[...]")
    if ref.key and not fact.keys:
        raise Unknown(f"{fact.name} takes nothing in brackets")
    if ref.key and fact.keys in ("band", "purpose") and ref.key not in fact.values:
        raise Unknown(f"{fact.name} has no {fact.keys} {ref.key}: there are {', '.join(fact.values)}")
    return ref


def everything(segments: Callable[[], Mapping[str, int]] = dict, more: Iterable[Fact] = (), kind: type[Facts] = Facts) -> Facts:
    """Return all facts of persons, moments and requests, and `more`; `segments` gives the number of each segment by name."""
    return kind([*people.entries(), *standing.entries(), standing.segment_entry(segments), *moments.entries(), *more])
