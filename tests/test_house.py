"""The rules of the house: which room may know which, what an import may do, how long things may get."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("maps", "annotation", "space", "benchmarks")
LONGEST_MODULE, LONGEST_FUNCTION, DEEPEST_NESTING = 250, 50, 3

# Who may know whom; a package stands for its modules too.
ARROWS = {
    "maps": ("maps",),
    "annotation": ("annotation", "maps.types"),
    "annotation.study.candidates": (
        "annotation",
        "maps.types",
        "maps.atlas.reader",
        "maps.describers.describer",
        "maps.describers.prompt",
    ),
    "annotation.commands.study": ("annotation", "maps.types", "maps.atlas.reader"),
    "annotation.commands.agreement": ("annotation", "maps.types", "maps.atlas.reader"),
    "space": ("space", "annotation", "maps"),
    "app": ("space", "annotation", "maps"),
}
ROOMS = {  # one outside thing, one room
    "gradio": ("space",),
    "sqlite3": ("annotation.journal.database",),
    "transformers": ("maps.weights", "maps.experiments"),
    "openai": ("maps.llm.client",),
    "torch": ("maps", "benchmarks"),
    "vl_convert": ("maps.figures.render",),
    "ray": ("maps.mapping.ray_engine",),
    "crowdkit": ("annotation.statistics.dawid_skene",),
    "cryptography": ("annotation.identity.seals",),
    "krippendorff": (),  # GPL: for tests only
}
PURE = (
    "maps.types",
    "maps.heads.query_key",
    "maps.experiments.pearson",
    "maps.experiments.task_prompts",
    "maps.heads.circuit",
    "maps.heads.first_mlp",
    "maps.heads.output_space",
    "maps.heads.eight_bit",
    "maps.heads.unembedding",
    "maps.heads.singular_directions",
    "maps.heads.rank_tests",
    "maps.heads.parallel",
    "maps.heads.salient_tokens",
    "maps.heads.top_targets",
    "maps.heads.relation_scores",
    "maps.describers.prompt",
    "maps.atlas.schema",
    "maps.atlas.card",
    "maps.analysis.breadth",
    "maps.analysis.classification",
    "maps.analysis.value_groups",
    "maps.analysis.similar_heads",
    "maps.analysis.identification",
    "maps.report.atlas_report",
    "maps.figures",
    "maps.figures.breadth",
    "maps.figures.evidence",
    "maps.figures.groups",
    "maps.figures.identification",
    "maps.figures.heads",
    "maps.figures.style",
    "maps.figures.relations",
    "maps.scoring",
    "maps.scoring.accuracy",
    "maps.scoring.checks",
    "maps.scoring.comparison",
    "maps.scoring.concentration",
    "maps.scoring.items",
    "maps.scoring.prompt",
    "maps.scoring.summary",
    "maps.scoring.evidence_table",
    "maps.data.relation_info",
    "maps.describers.offline.functions",
    "maps.describers.offline.hypotheses",
    "maps.describers.offline.inflections",
    "maps.describers.offline.inputs",
    "maps.describers.offline.kinds",
    "maps.describers.offline.lexicon",
    "maps.describers.offline.recurring",
    "maps.describers.offline.tokens",
    "annotation.statistics.labels",
    "annotation.statistics.disagreement",
    "annotation.statistics.agreement",
    "annotation.study.next_item",
    "annotation.statistics.bootstrap",
    "annotation.report.card",
    "annotation.statistics.judgments_table",
    "annotation.statistics.evidence",
    "annotation.report.figures",
    "annotation.form",
    "annotation.study.sampling",
    "annotation.statistics.progress",
    "annotation.identity.pseudonyms",
    "annotation.study.max_flow",
    "annotation.journal.migrations",
    "annotation.study.study",
    "annotation.study.file",
    "annotation.statistics.summary",
    "annotation.ledger.card",
    "annotation.ledger.conflicts",
    "annotation.ledger.rows",
    "annotation.ledger.status",
    "annotation.report.paper",
    "annotation.report.phrases",
    "annotation.statistics.rates",
    "annotation.statistics.ratings",
    "annotation.report.sections",
    "annotation.statistics.annotators",
    "annotation.statistics.summary",
    "annotation.statistics.answer_counts",
    "annotation.types",
    "annotation.report.sentences",
)
PURE_LIBRARIES = {"altair", "numpy", "pandas", "pyarrow", "torch"}
EDGES = {"os", "pathlib", "shutil", "tempfile", "socket", "ssl", "sqlite3", "subprocess", "http", "urllib", "logging"}
LIGHT = (
    "maps",
    "maps.api",
    "maps.types",
    "maps.atlas.reader",
    "maps.atlas.schema",
    "maps.mapping.settings",
    "maps.report.head_text",
    "maps.describers.prompt",
    "maps.report.atlas_report",
    "maps.figures.render",
    "maps.atlas.remote",
    "maps.experiments.results",
)
LIGHT_PAGES = (
    "maps.describers.offline.describer",
    "space.services",
    "space.pages.annotate.desk",
    "space.pages.annotate.outbox",
)
HEAVY = ("torch", "transformers", "gradio", "openai", "datasets", "ray")
DEFAULTS = [
    "os.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')",
    "os.environ.setdefault('HF_HUB_DISABLE_TELEMETRY', '1')",
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
    """Every module that a module imports, wherever the import stands."""
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
    """Whether a name is a module of the project."""
    return within(name, (*PACKAGES, "app", "tests")) or name.startswith(".")


def wrong(allowed: dict[str, tuple[str, ...]], modules: dict[str, ast.Module]) -> list[str]:
    """`importer → imported` for every import of ours that the arrows do not allow."""
    found = []
    for name, tree in modules.items():
        rooms = allowed.get(name) or allowed.get(name.split(".")[0])
        if rooms is not None:
            found += [
                f"{name} → {other}" for other in sorted(imported(tree)) if ours(other) and not within(other, rooms)
            ]
    return found


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
    """Every function of the project with its module's name."""
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


def test_an_arrow_that_points_up_is_found() -> None:
    trees = {
        "maps.x": ast.parse("def f():\n    import space.pages.annotate.desk"),
        "annotation.x": ast.parse("import maps.typesetting"),
    }
    assert wrong(ARROWS, trees) == ["maps.x → space.pages.annotate.desk", "annotation.x → maps.typesetting"]


def test_arrows_point_down_only() -> None:
    assert wrong(ARROWS, TREES) == []


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


def test_pure_modules_import_no_edge() -> None:
    strays = {
        name: sorted(
            other
            for other in imported(TREES[name])
            if (ours(other) and other not in PURE)
            or (not ours(other) and other.split(".")[0] not in PURE_LIBRARIES | sys.stdlib_module_names - EDGES)
            or other == "pyarrow.parquet"
        )
        for name in PURE
    }
    assert strays == {name: [] for name in PURE}


def test_pure_modules_open_no_file() -> None:
    assert [name for name in PURE if uses_of(TREES[name], {"open", "print", "input"})] == []


def test_only_services_and_commands_read_the_environment() -> None:
    readers = [name for name, tree in TREES.items() if uses_of(tree, {"environ", "environb", "getenv", "putenv"})]
    assert [name for name in readers if not name.endswith("__main__")] == ["app", "space.services"]
    assert len(uses_of(TREES["app"], {"environ", "environb", "getenv", "putenv"})) == len(DEFAULTS)


def test_nothing_happens_on_import() -> None:
    found = {name: happenings(tree) for name, tree in TREES.items()}
    assert {name: lines for name, lines in found.items() if lines} == {"app": DEFAULTS}


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
