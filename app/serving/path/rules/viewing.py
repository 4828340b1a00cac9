"""What conditions of a call read, and which rules act on it."""

from app.data.facts.domain import Seen
from app.decisions.rules.plan import Plan
from app.serving.model.call import Call
from app.serving.model.context import requested


def seen(call: Call) -> Seen:
    """Return what conditions of a call read; not before its person was found."""
    if call.view is None:
        program = call.program
        assert program is not None
        call.view = Seen(call.facts if call.state is not None else None, None, program.clock(), requested(call), call.ctx, program.edges)
    return call.view


def planned(call: Call) -> Plan:
    """Return what the rules that act on a call do."""
    program = call.program
    assert program is not None
    still = None if program.late else program.still(program.clock())
    return still or program.plan(seen(call))
