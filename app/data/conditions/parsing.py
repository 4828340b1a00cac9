"""From the text of a condition or formula to what it says.

`or` binds least, then `and`, `not`, comparisons, `+ -`, `* /`, and a minus sign. `a ? b : c` stands outermost, or in brackets.
"""

from app.data.conditions.lexing import Token, tokens
from app.data.conditions.syntax import (
    COMPARISONS,
    FUNCTIONS,
    MOST_DEPTH,
    TERMS,
    All,
    Among,
    Arithmetic,
    Choice,
    Compare,
    Contains,
    Either,
    Fact,
    Flag,
    Function,
    Holds,
    Known,
    Node,
    Not,
    Number,
    Term,
    Test,
    Text,
    Wrong,
    bounded,
)
from app.data.facts.domain import Ref
from app.data.facts.entries import Facts, Unknown

_WORDS = frozenset({"and", "or", "not", "in", "contains", "true", "false"})


def condition(text: str, facts: Facts) -> Test:
    """Read a condition; raises Wrong."""
    parser = _Parser(text, facts)
    if parser.now.kind == "end":
        raise Wrong("it is empty; `orders.30d >= 3` would be a condition", 1)
    return bound(parser.whole(test=True))  # type: ignore[return-value]


def formula(text: str, facts: Facts) -> Term:
    """Read a formula; raises Wrong."""
    parser = _Parser(text, facts)
    if parser.now.kind == "end":
        raise Wrong("it is empty; `score * 2` would be a formula", 1)
    return bound(parser.whole(test=False))  # type: ignore[return-value]


def bound(node: Node) -> Node:
    """Return a node that is neither too large nor too deep; raises Wrong."""
    bounded(node)
    return node


class _Parser:
    """Reads one text, word by word."""

    def __init__(self, text: str, facts: Facts) -> None:
        self._tokens, self._at, self._facts, self._depth = tokens(text), 0, facts, 0

    @property
    def now(self) -> Token:
        return self._tokens[self._at]

    def whole(self, *, test: bool) -> Node:
        start = self.now
        found = self._choice()
        if self.now.kind != "end":
            raise Wrong(f"{self._said()} is not expected here", self.now.place)
        return self._test(found, start) if test else self._term(found, start)

    def _choice(self) -> Node:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise Wrong(f"nested deeper than {MOST_DEPTH} levels", self.now.place)
        start = self.now
        found = self._or()
        if self._take("?"):
            then = self._term(self._choice(), self.now)
            self._need(":")
            found = Choice(self._test(found, start), then, self._term(self._choice(), self.now))
        self._depth -= 1
        return found

    def _or(self) -> Node:
        start, parts = self.now, [self._and()]
        while self._take("or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Either(tuple(self._test(one, start) for one in parts))

    def _and(self) -> Node:
        start, parts = self.now, [self._not()]
        while self._take("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else All(tuple(self._test(one, start) for one in parts))

    def _not(self) -> Node:
        count = 0
        while self._take("not"):
            count += 1
        start = self.now
        found = self._comparison()
        if count:
            found = self._test(found, start)
        return Not(found) if count % 2 else found  # type: ignore[arg-type]

    def _comparison(self) -> Node:
        start = self.now
        left = self._sum()
        if self.now.kind == "op" and self.now.said in COMPARISONS:
            op, place = self.now.said, self.now.place
            self._at += 1
            right = self._term(self._sum(), self.now)
            if self.now.said in COMPARISONS and self.now.kind == "op":
                raise Wrong("a comparison has two sides; join two of them by `and`", self.now.place)
            return _compared(op, self._term(left, start), right, place)
        negated = self.now.said == "not" and self._tokens[self._at + 1].said == "in" and self._take("not")
        if self._take("in"):
            term = self._term(left, start)
            if not self._take("("):
                whole = self._term(self._sum(), self.now)
                return Not(Contains(whole, term)) if negated else Contains(whole, term)
            values = [self._value()]
            while self._take(","):
                values.append(self._value())
            self._need(")")
            return Among(term, tuple(values), bool(negated))
        if self._take("contains"):
            return Contains(self._term(left, start), self._term(self._sum(), self.now))
        return left

    def _value(self) -> Term:
        start = self.now
        found = self._unary()
        if not isinstance(found, Number | Text | Flag):
            raise Wrong("a list holds numbers and quoted texts only", start.place)
        return found

    def _sum(self) -> Node:
        start, found = self.now, self._product()
        while self.now.kind == "op" and self.now.said in "+-":
            op = self.now.said
            self._at += 1
            found = Arithmetic(op, self._term(found, start), self._term(self._product(), self.now))
        return found

    def _product(self) -> Node:
        start, found = self.now, self._unary()
        while self.now.kind == "op" and self.now.said in "*/":
            op = self.now.said
            self._at += 1
            found = Arithmetic(op, self._term(found, start), self._term(self._unary(), self.now))
        return found

    def _unary(self) -> Node:
        count = 0
        while self._take("-"):
            count += 1
        start = self.now
        found = self._primary()
        if count % 2:
            term = self._term(found, start)
            return Number(-term.value) if isinstance(term, Number) else Arithmetic("-", Number(0.0), term)
        return found

    def _primary(self) -> Node:
        token = self.now
        self._at += 1
        if token.kind == "number":
            return Number(token.number)
        if token.kind == "text":
            return Text(token.said)
        if token.said == "(" and token.kind == "op":
            found = self._choice()
            self._need(")")
            return found
        if token.kind == "name" and token.said in ("true", "false"):
            return Flag(token.said == "true")
        if token.kind == "name" and self.now.said == "(" and self.now.kind == "op" and token.said not in _WORDS:
            return self._called(token)
        if token.kind == "name" and token.said not in _WORDS:
            self._at -= 1
            return Fact(self._fact())
        self._at -= 1
        raise Wrong(f"a fact, a number or a quoted text is expected here, not {self._said()}", token.place)

    def _called(self, name: Token) -> Node:
        self._need("(")
        if name.said == "known":
            ref = self._fact()
            self._need(")")
            return Known(ref)
        if name.said not in FUNCTIONS:
            raise Wrong(f"there is no function {name.said}; there are known, {', '.join(FUNCTIONS)}", name.place)
        arguments = [self._term(self._choice(), self.now)]
        while self._take(","):
            arguments.append(self._term(self._choice(), self.now))
        self._need(")")
        least, most = FUNCTIONS[name.said]
        if not least <= len(arguments) <= most:
            raise Wrong(f"{name.said} takes {least if least == most else f'{least} to {most}'} values", name.place)
        return Function(name.said, tuple(arguments))

    def _fact(self) -> Ref:
        start = self.now
        if start.kind != "name":
            raise Wrong(f"the name of a fact is expected here, not {self._said()}", start.place)
        parts, key, window = [self._piece()], None, ""
        while self._take("."):
            parts.append(self._piece())
        if self._take("["):
            key = self._key()
            if self._take("."):
                window = self._piece()
        try:
            return self._facts.find(parts, key, window)[1]
        except Unknown as error:
            raise Wrong(str(error), start.place) from error

    def _piece(self) -> str:
        token = self.now
        if token.kind not in ("name", "piece"):
            raise Wrong(f"a name is expected here, not {self._said()}", token.place)
        self._at += 1
        return token.said

    def _key(self) -> str:
        """Read what stands in brackets: a quoted text, or plain words."""
        words = []
        while self.now.kind in ("name", "piece", "number", "text") or self.now.said in (">", "-", "/", "."):
            words.append(self.now.said)
            self._at += 1
        self._need("]")
        if not words or not "".join(words).strip():
            raise Wrong("the brackets are empty", self.now.place)
        return " ".join(words)

    def _take(self, said: str) -> bool:
        if self.now.said == said and self.now.kind in ("op", "name"):
            self._at += 1
            return True
        return False

    def _need(self, said: str) -> None:
        if not self._take(said):
            raise Wrong(f"{said!r} is missing before {self._said()}", self.now.place)

    def _said(self) -> str:
        return self.now.said if self.now.kind == "end" else repr(self.now.said)

    def _test(self, node: Node, start: Token) -> Test:
        """Return a node as a test: a flag may stand for itself; raises Wrong for other values."""
        if not isinstance(node, TERMS):
            return node
        if isinstance(node, Fact | Flag | Choice):
            return Holds(node)
        raise Wrong("this is a value and no condition: compare it, as in `orders.30d >= 3`", start.place)

    def _term(self, node: Node, start: Token) -> Term:
        if isinstance(node, TERMS):
            return node
        if isinstance(node, Holds):
            return node.term
        raise Wrong("this is a condition and no value", start.place)


def _compared(op: str, left: Term, right: Term, place: int) -> Compare:
    if not any(isinstance(one, Fact | Arithmetic | Function | Choice) for one in (left, right)):
        raise Wrong("neither side names a fact, so this never changes", place)
    return Compare(op, left, right)
