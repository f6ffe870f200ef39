"""The rules of the house: which room may know which, what an import may do, how long things may get."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("maps", "annotation", "space", "benchmarks")
LONGEST_MODULE, LONGEST_FUNCTION, DEEPEST_NESTING = 350, 60, 3

# The packages from the bottom to the top: each may import those above it in this list, and no others.
# A line holds packages that do not know each other. A module of the top level stands for itself.
LAYERS = (
    ("maps.errors",),
    ("maps.types",),
    ("maps.text", "maps.hashes", "maps.distributions", "maps.hub", "maps.progress"),
    ("maps.files", "maps.llm"),
    ("maps.atlas", "maps.command_line"),
    ("maps.heads",),
    ("maps.data",),
    ("maps.weights", "maps.analysis", "maps.describers"),
    ("maps.mapping",),
    ("maps.scoring",),
    ("maps.figures",),
    ("maps.report",),
    ("maps.experiments",),
    ("maps.api",),
    ("maps",),
    ("maps.commands",),
    ("maps.__main__", "maps.data.build"),
    ("annotation", "annotation.data", "annotation.errors", "annotation.shared_flush"),
    ("annotation.sqlite_file",),
    ("annotation.types", "annotation.identity"),
    ("annotation.form",),
    ("annotation.study",),
    ("annotation.statistics",),
    ("annotation.journal",),
    ("annotation.ledger", "annotation.report", "annotation.judges"),
    ("annotation.export",),
    ("annotation.commands",),
    ("annotation.__main__",),
    (
        "space",
        "space.settings",
        "space.address",
        "space.child",
        "space.live",
        "space.atlases",
        "space.rate_limit",
        "space.one_time_files",
    ),
    ("space.search", "space.jobs", "space.starting"),
    ("space.services", "space.components"),
    ("space.web",),
    ("space.studies", "space.hosting"),
    ("space.pages", "space.commands"),
    ("space.endpoints",),
    ("space.site", "space.__main__"),
    ("app",),
    ("benchmarks",),
)
# What the study may know of the library: values, files, the Hub and finished atlases, never tensors or models.
ANNOTATION_MAY_KNOW = (
    "maps.atlas",
    "maps.command_line",
    "maps.distributions",
    "maps.errors",
    "maps.figures.style",
    "maps.files",
    "maps.hashes",
    "maps.hub",
    "maps.text",
    "maps.types",
)
ANNOTATION_EXCEPTIONS = {
    "annotation.study.candidates": ("maps.describers",),
    # A language model's answers are asked for as descriptions and scores are.
    "annotation.judges.ask": ("maps.llm", "maps.scoring.stored_run"),
    "annotation.judges.prompt": ("maps.llm.messages",),
    "annotation.commands.judge": ("maps.commands.arguments", "maps.commands.server_run", "maps.llm"),
}
ROOMS = {  # one outside thing, one room
    "gradio": ("space", "benchmarks.study_submit"),  # the benchmark calls the handlers in process
    "sqlite3": ("annotation.sqlite_file",),
    "transformers": ("maps.weights", "maps.experiments"),
    "openai": ("maps.llm",),
    "torch": ("maps", "benchmarks"),
    "vl_convert": ("maps.figures.render",),
    "ray": ("maps.mapping.ray_engine",),
    "filelock": ("maps.files.lock",),
    "crowdkit": ("annotation.statistics.dawid_skene",),
    "cryptography": ("annotation.identity.seals",),
    "itsdangerous": ("annotation.identity.tokens",),
    "krippendorff": (),  # GPL: for tests only
}
# Packages of functions from values to values: they import no file, network, database or web, and open no file.
PURE = (
    "maps.analysis",
    "maps.distributions",
    "maps.errors",
    "maps.figures",
    "maps.hashes",
    "maps.heads",
    "maps.describers.offline",
    "maps.llm.messages",
    "maps.llm.thoughts",
    "maps.scoring",
    "maps.text",
    "maps.types",
    "annotation.errors",
    "annotation.form",
    "annotation.identity.pseudonyms",
    "annotation.identity.tokens",
    "annotation.report",
    "annotation.statistics",
    "annotation.study",
    "annotation.types",
)
NOT_PURE = (  # inside these packages, what reads or writes
    "maps.describers.offline.describer",
    "maps.figures.render",
    "maps.scoring.detection",
    "maps.scoring.measures",
    "maps.scoring.null_atlas",
    "maps.scoring.plan",
    "maps.scoring.prediction",
    "maps.scoring.prediction_scores",
    "maps.scoring.score_table",
    "maps.scoring.random_heads",
    "maps.scoring.stored_run",
    "annotation.report.paper_file",
    "annotation.statistics.dawid_skene",
    "annotation.study.candidates",
    "annotation.study.practice",
    "annotation.study.store",
)
PURE_VALUES = (
    "maps.atlas.schema",
    "maps.atlas.readings",
    "maps.atlas.card",
    "maps.data.relation_info",
    "annotation.journal.migrations",
)
EDGES = {"os", "pathlib", "shutil", "tempfile", "socket", "ssl", "sqlite3", "subprocess", "http", "urllib", "logging"}
PURE_LIBRARIES = {"altair", "itsdangerous", "numpy", "pandas", "pyarrow", "torch"} | sys.stdlib_module_names - EDGES
PURE_PARTS = {"urllib.parse"}  # of modules that reach outside
LIGHT = (
    "maps",
    "maps.api",
    "maps.types",
    "maps.atlas.reader",
    "maps.atlas.schema",
    "maps.mapping.settings",
    "maps.text",
    "maps.describers.prompt",
    "maps.report.atlas_report",
    "maps.report.head_text",
    "maps.figures.render",
    "maps.atlas.remote",
    "maps.experiments.results",
)
LIGHT_PAGES = (
    "maps.describers.offline.describer",
    "space.services",
    "space.pages.annotate.task",
    "space.pages.annotate.outbox",
)
HEAVY = ("torch", "transformers", "gradio", "openai", "datasets", "ray")
DEFAULTS = [
    "os.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')",
    "os.environ.setdefault('HF_HUB_DISABLE_TELEMETRY', '1')",
    "os.environ.setdefault('HF_HUB_DISABLE_PROGRESS_BARS', '1')",
    "os.environ.setdefault('ARROW_DEFAULT_MEMORY_POOL', 'system')",
]

IMPORTER = """
import importlib, json, sys
brought = {}
for name in sys.argv[2:]:
    before = set(sys.modules)
    importlib.import_module(name)
    brought[name] = [heavy for heavy in sys.argv[1].split(",") if heavy in set(sys.modules) - before]
print(json.dumps(brought))
"""


def module_name(path: Path) -> str:
    """`maps/data/__init__.py` as `maps.data`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = [ROOT / "app.py", *(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))]
TEXTS = {module_name(path): path.read_text(encoding="utf-8") for path in PATHS}
TREES = {name: ast.parse(text) for name, text in TEXTS.items()}


def imported(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names = {f"{base}.{alias.name}" for alias in node.names}
            found |= (names & TREES.keys()) or {base}
    return found


def within(name: str, rooms: tuple[str, ...]) -> bool:
    """Whether a module is one of the rooms or lies in one."""
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def ours(name: str) -> bool:
    return within(name, (*PACKAGES, "app", "tests")) or name.startswith(".")


def package_of(name: str) -> str:
    """What LAYERS lists for a module: `maps.heads` for `maps.heads.circuit`, the module itself where it lists none."""
    listed = {package for layer in LAYERS for package in layer}
    parts = name.split(".")
    return next((start for end in range(len(parts), 1, -1) if (start := ".".join(parts[:end])) in listed), name)


def dependencies(modules: dict[str, ast.Module]) -> dict[str, set[str]]:
    """The modules of the project that each module imports, without itself."""
    return {name: {other for other in imported(tree) if ours(other)} - {name} for name, tree in modules.items()}


def upward_imports(layers: Sequence[tuple[str, ...]], modules: dict[str, ast.Module]) -> list[str]:
    """`importer → imported` for every import that LAYERS does not allow."""
    level = {package: number for number, layer in enumerate(layers) for package in layer}
    return [
        f"{name} → {other}"
        for name, others in dependencies(modules).items()
        for other in sorted(others)
        if package_of(name) != package_of(other)
        and level.get(package_of(other), len(layers)) >= level.get(package_of(name), -1)
    ]


def cycles(graph: dict[str, set[str]]) -> list[tuple[str, ...]]:
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        return [tuple(error.args[1])]
    return []


def nesting(node: ast.AST, depth: int = 0) -> int:
    """How deep the blocks of a function lie in each other; an `elif` is no deeper than its `if`."""
    blocks = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
    inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, inner):
            is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
            deepest = max(deepest, nesting(child, depth + (isinstance(child, blocks) and not is_elif)))
    return deepest


def functions() -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return [
        (f"{name}.{node.name}", node)
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def happenings(tree: ast.Module) -> list[str]:
    """The statements of a module that do something when it is imported, beyond defining names."""
    defining = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.AsyncFunctionDef)
    found = []
    for node in tree.body:
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        script = isinstance(node, ast.If) and ast.unparse(node.test) in ("__name__ == '__main__'", "TYPE_CHECKING")
        if not (text or script or isinstance(node, (*defining, ast.ClassDef))):
            found.append(ast.unparse(node))
    return found


def uses_of(tree: ast.Module, names: set[str]) -> list[int]:
    """The lines on which one of these names is read, as an attribute, alone or in an import."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(node, ast.Name) and node.id in names)
        or (isinstance(node, ast.ImportFrom) and not names.isdisjoint(alias.name for alias in node.names))
    ]


def test_imports_are_found_wherever_they_stand() -> None:
    tree = ast.parse("import a.b\nfrom c import d\nfrom maps import types\ndef f():\n    from .e import g\n")
    assert imported(tree) == {"a.b", "c", "maps.types", ".e"}


def test_an_upward_import_and_a_circle_are_found() -> None:
    trees = {"low.x": ast.parse("def f():\n    import space.y"), "space.y": ast.parse("import low.x")}
    layers = (("low",), ("space.y",))
    assert upward_imports((("low.x",), ("space.y",)), trees) == ["low.x → space.y"]
    assert upward_imports(layers, {"unlisted.x": ast.parse("import maps.types")}) == ["unlisted.x → maps.types"]
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == [("a", "c", "b", "a")]


def test_every_package_has_its_layer() -> None:
    listed = {package for layer in LAYERS for package in layer}
    assert (
        sorted(
            package_of(name) for name in TREES if not within(name, ("benchmarks",)) and package_of(name) not in listed
        )
        == []
    )


def test_imports_point_down_only() -> None:
    modules = {name: tree for name, tree in TREES.items() if not within(name, ("benchmarks",))}
    assert upward_imports(LAYERS, modules) == []


def test_no_modules_and_no_packages_import_each_other_in_a_circle() -> None:
    graph = dependencies(TREES)
    assert cycles(graph) == []
    packages: dict[str, set[str]] = {package_of(name): set() for name in graph}
    for name, others in graph.items():
        packages[package_of(name)] |= {package_of(other) for other in others} - {package_of(name)}
    assert cycles(packages) == []


def test_the_study_knows_no_tensors() -> None:
    strays = [
        f"{name} → {other}"
        for name, others in dependencies(TREES).items()
        if within(name, ("annotation",))
        for other in sorted(others)
        if not within(other, ("annotation", *ANNOTATION_MAY_KNOW, *ANNOTATION_EXCEPTIONS.get(name, ())))
    ]
    assert strays == []


def test_every_outside_thing_has_one_room() -> None:
    strays = [
        f"{name} → {outside}"
        for name, tree in TREES.items()
        for outside in sorted({other.split(".")[0] for other in imported(tree)} & ROOMS.keys())
        if not within(name, ROOMS[outside])
    ]
    assert strays == []


def test_modules_are_imported_by_name_only_where_the_relations_are_built() -> None:
    names = {"import_module", "__import__"}
    assert [name for name, tree in TREES.items() if uses_of(tree, names)] == ["maps.data.build.relations"]


def pure_modules() -> list[str]:
    """The modules that only compute."""
    return [name for name in TREES if (within(name, PURE) and not within(name, NOT_PURE)) or name in PURE_VALUES]


def test_pure_modules_import_no_edge() -> None:
    pure = {*pure_modules(), "maps.files.csv_export"}
    strays = {
        name: sorted(
            other
            for other in imported(TREES[name])
            if (ours(other) and other not in pure)
            or (not ours(other) and other not in PURE_PARTS and other.split(".")[0] not in PURE_LIBRARIES)
            or other == "pyarrow.parquet"
        )
        for name in pure_modules()
    }
    assert {name: others for name, others in strays.items() if others} == {}


def test_pure_modules_open_no_file() -> None:
    assert [name for name in pure_modules() if uses_of(TREES[name], {"open", "print", "input"})] == []


def test_only_services_and_commands_read_the_environment() -> None:
    readers = [name for name, tree in TREES.items() if uses_of(tree, {"environ", "environb", "getenv", "putenv"})]
    assert [name for name in readers if not name.endswith("__main__")] == ["app", "space.address", "space.services"]
    assert len(uses_of(TREES["app"], {"environ", "environb", "getenv", "putenv"})) == len(DEFAULTS)


def test_nothing_happens_on_import() -> None:
    found = {name: happenings(tree) for name, tree in TREES.items()}
    assert {name: lines for name, lines in found.items() if lines} == {"app": DEFAULTS}


@pytest.mark.canary
def test_what_starts_often_imports_nothing_heavy() -> None:
    names = [*LIGHT, *(name for name in TREES if within(name, ("annotation",))), *LIGHT_PAGES]
    command = [sys.executable, "-c", IMPORTER, ",".join(HEAVY), *names]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert json.loads(run.stdout) == {name: [] for name in names}


def test_no_module_is_too_long() -> None:
    sizes = {name: len(text.splitlines()) for name, text in TEXTS.items()}
    assert {name: size for name, size in sizes.items() if size > LONGEST_MODULE} == {}


def test_no_function_is_too_long() -> None:
    sizes = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions()}
    assert {name: size for name, size in sizes.items() if size > LONGEST_FUNCTION} == {}


def test_nothing_is_nested_too_deeply() -> None:
    depths = {name: nesting(node) for name, node in functions()}
    assert {name: depth for name, depth in depths.items() if depth > DEEPEST_NESTING} == {}
