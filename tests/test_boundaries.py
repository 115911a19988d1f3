"""Who may import whom: services know `shared` and libraries, never each other; only process touches pixels."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVICES = ("ingest", "process", "results")
#: Libraries of pixels: heavy, and of no use to services that only pass blob keys on.
PIXELS = {"cv2", "numba", "numpy", "simplejpeg", "llvmlite"}
#: The modules outside the services that may know them: the origin puts two together, the others write documents.
COMPOSED = ("infra/origin.py", "infra/openapi.py", "infra/configuration.py", "infra/s3/lifecycle.py")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_imports_only_itself_shared_and_libraries(service: str) -> None:
    strangers = {f"services.{other}" for other in SERVICES if other != service} | {"clients", "infra", "tests"}
    assert _violations(ROOT / "services" / service, strangers) == []


def test_shared_imports_nothing_that_is_built_on_it() -> None:
    assert _violations(ROOT / "shared", {"services", "clients", "infra", "tests"}) == []


def test_the_infrastructure_starts_services_without_importing_them() -> None:
    found = _violations(ROOT / "infra", {"services", "clients", "tests"})
    assert [line for line in found if not line.startswith(COMPOSED)] == []


@pytest.mark.parametrize("service", ["ingest", "results"])
def test_a_service_without_pixels_loads_no_library_of_pixels(service: str) -> None:
    program = f"import sys, services.{service}.app; print(*sys.modules, sep='\\n')"
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert PIXELS.isdisjoint(answer.stdout.split())


def _violations(folder: Path, strangers: set[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sorted(folder.rglob("*.py"))
        for name, line in _imports(path)
        if any(name == stranger or name.startswith(stranger + ".") for stranger in strangers)
    ]


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    """The full name and the line of everything a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = _absolute(path, node)
            yield package, node.lineno
            yield from ((f"{package}.{alias.name}", node.lineno) for alias in node.names)


def _absolute(path: Path, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    parents = path.relative_to(ROOT).parts[: -node.level]
    return ".".join([*parents, *([node.module] if node.module else [])])
