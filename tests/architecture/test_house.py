"""House law that no linter knows: what serving loads, how long files are, which routes are open, what must not be written down."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from app.main import create_app

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE, LONGEST_HOT_FILE, LONGEST_FUNCTION, MOST_FILES = 300, 100, 40, 12
HOT = ("edge", "path", "model", "render", "redis")
# What must be longer says why: `# long: ...` on a line of its own in a file, or above a function.
EXCUSE = "# long: "
# Anyone may call these: health, the OAuth routes (which authenticate by themselves), signed links, the documents.
OPEN = {
    "/login",
    "/login/links",
    "/login/links/{link}",
    "/login/provider",
    "/login/provider/finish",
    "/tracker.js", "/", "/docs", "/docs/{asset}",
    "/livez", "/readyz", "/metrics", "/oauth/token", "/oauth/revoke", "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server", "/c/{token}/{position}", "/o/{token}.gif",
}  # fmt: skip


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    return [ROOT / name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def test_a_server_loads_nothing_that_only_training_needs() -> None:
    code = "import sys, app.main; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "sklearn", "implicit", "pandas", "scipy", "onnx", "pyarrow", "polars", "PIL"} & set(loaded)
    assert "onnxruntime" in loaded


def sources() -> list[tuple[Path, list[str]]]:
    return [(path.relative_to(ROOT), path.read_text().splitlines()) for path in sorted((ROOT / "app").rglob("*.py"))]


def is_hot(path: Path) -> bool:
    return path.parts[1] == "serving" and path.parts[2] in HOT


def test_no_source_file_is_longer_than_a_page_or_five_and_none_of_the_fast_path_than_two() -> None:
    for path, lines in sources():
        most = LONGEST_HOT_FILE if is_hot(path) else LONGEST_FILE
        excused = any(line.startswith(EXCUSE) for line in lines)
        assert excused or len(lines) <= most, f"{path} has {len(lines)} lines; {most} are allowed: split it"
        assert len(lines) <= LONGEST_FILE + 20, f"{path} has {len(lines)} lines, which nothing excuses"


def test_no_function_is_longer_than_a_screen() -> None:
    for path, lines in sources():
        for node in ast.walk(ast.parse("\n".join(lines))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            excused = lines[first - 2].lstrip().startswith(EXCUSE)
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert excused or length <= LONGEST_FUNCTION, (
                f"{path}: {node.name} has {length} lines; {LONGEST_FUNCTION} are allowed: split it"
            )


def test_no_folder_is_fuller_than_a_shelf_that_one_look_takes_in() -> None:
    full = {}
    for folder in (ROOT / "app").rglob("*"):
        if folder.is_dir() and folder.name != "__pycache__" and folder != ROOT / "app" / "core":
            files = [one.name for one in folder.iterdir() if one.is_file() and one.name != "__init__.py"]
            if len(files) > MOST_FILES:
                full[str(folder.relative_to(ROOT))] = len(files)
    assert full == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [p.relative_to(ROOT) for p in (ROOT / "app").rglob("*.py") if not p.read_text().lstrip().startswith('"""')]
    assert silent == []


def test_every_route_is_guarded_or_on_the_open_list() -> None:
    unguarded = set()
    for context in iter_route_contexts(create_app().routes):
        route = context.original_route if hasattr(context, "original_route") else context.route
        if not isinstance(route, APIRoute):
            continue
        names = {getattr(d.call, "__qualname__", "") for d in _all(route.dependant)}
        if not any(name.startswith(("require.", "require_sender.", "signed_in")) for name in names):
            unguarded.add(context.path)
    assert unguarded == OPEN


def _all(dependant: object) -> list[object]:
    below = list(dependant.dependencies)  # type: ignore[attr-defined]
    return below + [one for sub in below for one in _all(sub)]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_lock_files_name_no_host(name: str) -> None:
    assert "://" not in (ROOT / name).read_text()


def test_nothing_tracked_names_a_folder_of_a_machine() -> None:
    pattern = re.compile(r"(?<![\w.])/(?:work|root|home/[a-z]+)/")
    found = []
    for path in tracked():
        if path.suffix in (".py", ".md", ".toml", ".ini", ".yaml", ".yml", ".html", ".js", ".css", "") and path.name != Path(__file__).name:
            found += [f"{path.relative_to(ROOT)}: {line}" for line in path.read_text(errors="replace").splitlines() if pattern.search(line)]
    assert found == []


def test_errors_are_not_swallowed() -> None:
    bad = re.compile(r"except[^\n]*:\s*\n?\s*pass\b")
    assert [p.relative_to(ROOT) for p in (ROOT / "app").rglob("*.py") if bad.search(p.read_text())] == []
