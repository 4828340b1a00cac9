"""What a dry run of a template tells: the same items written by what is published and by the draft, in each format, measured."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import BaseModel, Field

from app.content.formats import Format, templated
from app.content.liquid import BadTemplate
from app.content.templates.domain import Template, plain
from app.serving.dry_run.told import Run, Told, ended, many, nobody, whom
from app.serving.model.call import Call
from app.serving.render.templated import written
from app.serving.snapshot.snapshot import Config

CLIPPED_BYTES = 102_000
"""Gmail clips a letter whose HTML is longer than 102 KB."""
_MOST_FAULTS = 10
# as long as a link of a click: what stands before its items, and five and a half characters for each of them
_LINK, _LINK_ITEM = b"https://shop.example.com/c/" + b"x" * 110, 5.5


class Block(NamedTuple):
    """One block as a template wrote it: its bytes, how long that took, or why it could not be written."""

    body: bytes
    ms: float
    fault: str = ""


class Drawn(NamedTuple):
    """One answer, written in each format by what is published and by the draft; in none where it has no items."""

    person: int
    placement: str
    blocks: dict[str, tuple[Block, Block]]

    @property
    def changed(self) -> bool:
        """Whether a block of it looks other than before."""
        return any(before.body != after.body for before, after in self.blocks.values())


class Sizes(BaseModel):
    """Blocks of one side: mean and largest bytes, how many alone are longer than Gmail shows, how many failed, and the slowest one."""

    mean_bytes: int
    most_bytes: int
    clipped: int
    faults: int
    slowest_ms: float


class Shape(BaseModel):
    """One format: blocks, those that look other than before, and both sides."""

    format: str
    blocks: int
    changed: int
    published: Sizes
    draft: Sizes


class Fault(BaseModel):
    """Why the draft could not write blocks; other templates stand in for it there."""

    format: str
    message: str
    blocks: int


class Shown(BaseModel):
    """One placement: its answers, those that look other than before, and the largest HTML of both sides."""

    placement: str
    answers: int
    changed: int
    published_bytes: int
    draft_bytes: int


class Blocks(Told):
    """What a draft of a template would change in blocks of real people or requests."""

    changed: int = Field(description="Answers that look other than before in some format.")
    changed_people: int
    empty: int = Field(description="Answers without items, which no template writes.")
    clipped_bytes: int = CLIPPED_BYTES
    formats: list[Shape]
    placements: list[Shown]
    faults: list[Fault]


def drawn(call: Call, person: int, name: str, before: Config, after: Config) -> list[Drawn]:
    """Return an answer as both templates write it."""
    own = before.templates.get(name) or before.templates.get(call.rules.template)
    found = {}
    for form in templated() if call.outcome.picks else ():
        found[form.name] = _block(call, own, form), _block(call, after.templates[name], form)
    return [Drawn(person, call.placed.name, found)]


def _block(call: Call, template: Template | None, form: Format) -> Block:
    if template is None or form.name not in template.parts:
        template = plain(form)
    picks = call.outcome.picks
    link = _LINK + b"x" * int(_LINK_ITEM * len(picks))
    begun = time.thread_time()
    try:
        body, fault = written(call, link, picks, template, template.parts[form.name]), ""
    except BadTemplate as error:
        body, fault = b"", str(error).strip().partition("\n")[0][:200]
    if not fault and (not body or body.isspace()):
        fault = "it writes nothing"
    return Block(body, (time.thread_time() - begun) * 1000, fault)


def report(run: Run) -> Blocks:
    """Count what was written."""
    tried: Sequence[Drawn] = run.tried
    changed = [one for one in tried if one.changed]
    forms = dict.fromkeys(form for one in tried for form in one.blocks)
    placements = dict.fromkeys(one.placement for one in tried)
    found = Blocks(
        **run.told(len(tried)), changed=len(changed), changed_people=len({one.person for one in changed}),
        empty=sum(not one.blocks for one in tried), formats=[_shape(form, tried) for form in forms],
        placements=[_shown(name, [one for one in tried if one.placement == name]) for name in placements], faults=_faults(tried),
    )  # fmt: skip
    return found.model_copy(update={"sentence": sentence(found)})


def sentence(found: Blocks) -> str:
    """Say a report in words."""
    if not found.answers:
        return nobody(found)
    parts = [whom(found, len(found.placements))]
    parts.append(f"{found.changed:,} of {many(found.answers, 'answer', 'answers')} would look other than now.")
    for one in found.formats:
        if one.format == "html":
            parts.append(f"The largest HTML has {_kb(one.draft.most_bytes)}; now it has {_kb(one.published.most_bytes)}.")
            if one.draft.clipped:
                parts.append(f"{many(one.draft.clipped, 'block is', 'blocks are')} alone longer than the 102 KB that Gmail shows.")
    failed = sum(one.blocks for one in found.faults)
    parts.append(f"{many(failed, 'block', 'blocks')} could not be written." if failed else "All blocks could be written.")
    slowest = max((one.draft.slowest_ms for one in found.formats), default=0.0)
    parts.append(f"The slowest took {slowest:.1f} ms.")
    return " ".join([*parts, *ended(found)])


def _kb(size: int) -> str:
    return f"{size / 1000:,.1f} KB"


def _shape(form: str, tried: Sequence[Drawn]) -> Shape:
    both = [one.blocks[form] for one in tried if form in one.blocks]
    return Shape(
        format=form, blocks=len(both), changed=sum(before.body != after.body for before, after in both),
        published=_sizes(form, [before for before, _ in both]), draft=_sizes(form, [after for _, after in both]),
    )  # fmt: skip


def _sizes(form: str, blocks: Sequence[Block]) -> Sizes:
    sizes = [len(one.body) for one in blocks if not one.fault]
    return Sizes(
        mean_bytes=round(sum(sizes) / len(sizes)) if sizes else 0, most_bytes=max(sizes, default=0),
        clipped=sum(size > CLIPPED_BYTES for size in sizes) if form == "html" else 0, faults=len(blocks) - len(sizes),
        slowest_ms=round(max((one.ms for one in blocks), default=0.0), 2),
    )  # fmt: skip


def _shown(name: str, tried: Sequence[Drawn]) -> Shown:
    html = [one.blocks["html"] for one in tried if "html" in one.blocks]
    return Shown(
        placement=name, answers=len(tried), changed=sum(one.changed for one in tried),
        published_bytes=_largest(before for before, _ in html), draft_bytes=_largest(after for _, after in html),
    )  # fmt: skip


def _largest(blocks: Iterable[Block]) -> int:
    return max((len(one.body) for one in blocks), default=0)


def _faults(tried: Sequence[Drawn]) -> list[Fault]:
    counts = Counter((form, after.fault) for one in tried for form, (_, after) in one.blocks.items() if after.fault)
    return [Fault(format=form, message=message, blocks=count) for (form, message), count in counts.most_common(_MOST_FAULTS)]
