"""Which room writes and which reads which table, as the SQL of the program says; `python -m tests.architecture.table_owners` prints it."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWNERS = Path(__file__).with_name("tables.toml")
# what names its tables by a value
_GIVEN = {
    "serving.record.writers": ("serve",),
    "documents.store": tuple(
        f"{kind}{end}" for kind in ("placement", "cluster", "rule", "segment", "template") for end in ("", "_version")
    ),
}
Matrix = dict[str, dict[str, list[str]]]


def tables() -> set[str]:
    """Return every table that the migrations make and leave."""
    made: set[str] = set()
    gone: set[str] = set()
    for path in (ROOT / "migrations" / "versions").glob("*.py"):
        written = path.read_text()
        made |= set(re.findall(r"create (?:unlogged )?table (?:if not exists )?(\w+)", written, re.I))
        upgrade = written[written.index("def upgrade") : written.index("def downgrade")]
        gone |= set(re.findall(r"drop table (\w+)", upgrade, re.I))
    return made - gone


_WRITES = re.compile(r"\b(?:insert into|update|delete from|truncate(?: table)?)\s+(?:only\s+)?(\w+)", re.I)
_READS = re.compile(r"\b(?:from|join|using)\s+(?:only\s+)?(\w+)", re.I)
_COPIES = re.compile(r'copy_records_to_table\(\s*"(\w+)"')


@cache
def matrix() -> Matrix:
    """Return the rooms that write and read each table."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: {"writes": set(), "reads": set()})
    names = tables()
    for path in sorted((ROOT / "app").rglob("*.py")):
        text, room = path.read_text(), _room(path)
        sql = "\n".join(_texts(ast.parse(text)))
        given = _GIVEN.get(".".join(path.relative_to(ROOT / "app").with_suffix("").parts), ())
        for what, met in (("writes", {*_WRITES.findall(sql), *_COPIES.findall(text), *given}), ("reads", set(_READS.findall(sql)))):
            for name in met & names:
                found[name][what].add(room)
    return {
        name: {"writes": sorted(rooms["writes"]), "reads": sorted(rooms["reads"] - rooms["writes"])}
        for name, rooms in sorted(found.items())
    }


def _room(path: Path) -> str:
    parts = path.relative_to(ROOT / "app").with_suffix("").parts
    return ".".join(parts[: 2 if len(parts) > 2 else 1])


def _texts(tree: ast.AST) -> list[str]:
    """Return the texts of a file that are no documentation."""
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation
    ]


def written(found: Matrix) -> str:
    """Write a matrix as the file has it."""
    lines = ["# Which room may write and which may read which table; a test compares this with the SQL of the program.", ""]
    for name, rooms in found.items():
        lines += [f"[{name}]", f"writes = {rooms['writes']}".replace("'", '"'), f"reads = {rooms['reads']}".replace("'", '"'), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(written(matrix()), end="")
