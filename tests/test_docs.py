"""The papers say what the code does: tables of docs/ against schemas, forms, parsers and data."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import shlex
import tomllib
from collections import defaultdict
from dataclasses import fields
from pathlib import Path
from textwrap import dedent
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml  # type: ignore[import-untyped]

import annotation.__main__
import annotation.export.files
import benchmarks.scaling_plan
import docs.describers
import docs.models
import docs.performance
import docs.readings
import docs.reference
import docs.security
import maps
import maps.__main__
import maps.report.atlas_report
from annotation.form import QUESTIONS, applicable_fields
from annotation.report.paper_file import load_paper
from annotation.statistics.judgments_table import select_counted_judgments
from annotation.statistics.labels import compute_labels
from annotation.statistics.pairs import PairSummary, tabulate_pairwise_kappas
from annotation.statistics.summary import summarise_judgments
from annotation.study.study import StudySettings
from annotation.types import JUDGMENT_COLUMNS
from maps.analysis.classification import classify
from maps.atlas.reader import Atlas
from maps.atlas.schema import SCHEMAS
from maps.data import predefined_relations
from maps.experiments import attention, biases, directions, known_heads, results
from maps.experiments.report.claims import claims_part
from maps.hashes import mapping_hash
from maps.report import evidence
from maps.types import MIN_PAIRS, TAU, Mapping
from maps.weights.families import FAMILIES
from maps.weights.family import Family
from space.settings import SETTINGS

ROOT = Path(__file__).parents[1]
CONTRACT = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
LICENCES = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SEED = ROOT / "space" / "seed" / "smollm2"
BEYOND = (
    known_heads.SCHEMAS | directions.SCHEMAS | attention.SCHEMAS | biases.SCHEMAS
)  # tables of the experiments that go beyond the paper
FILES = {  # heading of the contract: the schema that it describes
    "`heads.parquet`": SCHEMAS["heads"],
    "`mappings.parquet`, `heldout.parquet` and `suppressive.parquet`": SCHEMAS["mappings"],
    "`relations.parquet`": SCHEMAS["relations"],
    "`hits.parquet`": SCHEMAS["hits"],
    "`pairs.parquet`": SCHEMAS["pairs"],
    "`descriptions.parquet`": SCHEMAS["descriptions"],
    "`patterns.parquet`": SCHEMAS["patterns"],
    "`failures.parquet`": SCHEMAS["failures"],
    **{f"`{name}.parquet`": SCHEMAS[name] for name in list(SCHEMAS)[list(SCHEMAS).index("scores") :]},
    "Judgments": annotation.export.files.JUDGMENTS_SCHEMA,
    **{
        f"`{name}.csv`": schema
        for name, schema in (
            maps.report.atlas_report.REPORT_TABLES | evidence.EVIDENCE_TABLES | results.RESULT_SCHEMAS
        ).items()
    },
    **{f"`{name}.csv`": schema for name, schema in BEYOND.items()},
}
READERS = (
    "app.py",
    "space/address.py",
    "space/services.py",
    "maps/commands/arguments.py",
    "annotation/commands/arguments.py",
    "annotation/commands/publish.py",
    "space/commands/jobs.py",
    "space/commands/deploy.py",
)

Table = list[list[str]]


def tables(document: str, heading: str) -> list[Table]:
    """The tables between a heading and the next one, as rows of cells without their heads."""
    _, found, after = re.sub(r"^#+ ", "# ", document, flags=re.MULTILINE).partition(f"\n# {heading}\n")
    assert found, f"there is no heading {heading}"
    blocks = re.findall(r"(?:^\|.*\n)+", after.partition("\n# ")[0] + "\n", re.MULTILINE)
    return [[[cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines()[2:]] for block in blocks]


def table(document: str, heading: str) -> Table:
    [found] = tables(document, heading)
    return found


def code(names: list[str]) -> list[str]:
    return [f"`{name}`" for name in names]


def first(rows: Table) -> list[str]:
    return [row[0] for row in rows]


def type_name(kind: pa.DataType) -> str:
    """An Arrow type without the name that Arrow gives to a list's elements."""
    return re.sub(r"<\w+: ", "<", str(kind))


def citation() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    return found


def read_from_environment(path: str) -> set[str]:
    asked_for = r"""(?:environ|environment)(?:\.get\(|\[)"(\w+)"|getenv\("(\w+)\""""
    return {max(names) for names in re.findall(asked_for, (ROOT / path).read_text(encoding="utf-8"))}


def family_row(family: Family) -> list[str]:
    norm = family.hub.names.get("mlp_norm")
    kind = family.norm + (", 1 + w" if family.hub.norms_minus_one else "")
    kind += "" if family.norms_have_weights else ", no weights"
    types = ", ".join(f"`{name}`" for name in family.model_types) or "–"
    before = ["none", ""] if norm is None else [f"`{norm.split('.')[-2]}`", kind]
    key = family.config_keys.get("embedding_scale")
    scale = "√d" if family.scales_embeddings else "1" if key is None else f"`{key}`"
    return [types, "–" if family.architecture is None else f"`{family.architecture}`", *before, scale]


def signature(name: str) -> str:
    return f"maps.{name}" + re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(getattr(maps, name))))


def test_the_contract_lists_the_functions_of_the_library() -> None:
    [block] = re.findall(r"\n## 9\. Library\n.*?\n```python\n(.*?)```", CONTRACT, re.DOTALL)
    functions = [name for name in maps.__all__ if name.islower()]
    assert [" ".join(each.split()) for each in block.strip().split("\n\n")] == [signature(name) for name in functions]
    assert re.findall(r"`maps\.(\w+)`", " ".join(first(table(CONTRACT, "9. Library")))) == functions


@pytest.mark.slow
def test_the_python_of_the_readme_prints_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section = README.partition("\n## In Python\n")[2].partition("\n## ")[0]
    code, printed = (dedent(block) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.MULTILINE))
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert capsys.readouterr().out == printed.lstrip("\n")


def test_the_contract_lists_the_families_that_can_be_read() -> None:
    assert table(CONTRACT, "Families") == [family_row(family) for family in FAMILIES]


@pytest.mark.parametrize("heading", FILES)
def test_the_contract_lists_the_columns_of_a_file_with_their_types(heading: str) -> None:
    rows = table(CONTRACT, heading)
    assert [row[:2] for row in rows] == [[f"`{field.name}`", type_name(field.type)] for field in FILES[heading]]


def test_the_contract_describes_every_table() -> None:
    assert SCHEMAS["heldout"] == SCHEMAS["mappings"]
    described = re.findall(r"`(\w+)\.parquet`", " ".join(FILES))
    assert described == list(SCHEMAS)
    assert first(table(CONTRACT, "Judgments")) == code([*JUDGMENT_COLUMNS, "stale"])


def test_the_contract_lists_what_an_atlas_says_of_itself() -> None:
    info = json.loads((SEED / "atlas.json").read_text(encoding="utf-8"))
    assert first(table(CONTRACT, "`atlas.json`")) == code(list(info))


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.field)
def test_the_contract_lists_a_question_with_its_codes(question: annotation.form.FormQuestion) -> None:
    rows = table(CONTRACT, f"`{question.field}`: {question.text}")
    assert rows == [[f"`{choice.code}`", choice.label] for choice in question.choices]


def test_the_contract_lists_the_settings_of_a_study() -> None:
    assert first(table(CONTRACT, "Studies")) == code([field.name for field in fields(StudySettings)])


def test_the_contract_says_which_questions_are_asked() -> None:
    rows = table(CONTRACT, "Which questions are asked")
    assert rows == [
        [f"`{answer}`", ", ".join(code(list(applicable_fields({"presence": answer}))))] for answer in QUESTIONS[0].codes
    ]


def test_the_contract_lists_every_command_that_has_a_parser() -> None:
    assert re.findall(r"^### `(python -m [\w ]+)`$", CONTRACT, re.MULTILINE) == list(
        docs.reference.parsers_by_command()
    )


def test_the_reference_is_written_from_the_code() -> None:
    assert docs.reference.reference_page() == docs.reference.PAGE.read_text(encoding="utf-8"), (
        "run python -m docs.reference"
    )


def test_the_page_on_models_is_written_from_the_families_and_lists_every_type() -> None:
    assert docs.models.PAGE.read_text(encoding="utf-8") == docs.models.models_page(), "run python -m docs.models"
    listed = {name for line in docs.models.LINES for name in line.types}
    types = {name for family in FAMILIES for name in family.model_types}
    assert {name for name in types - listed if not name.endswith("_text")} == set()


def test_the_page_on_security_has_the_tables_of_the_code_and_names_tests_that_exist() -> None:
    page = docs.security.PAGE.read_text(encoding="utf-8")
    assert docs.security.security_page(page) == page, "run python -m docs.security"
    proofs = set(re.findall(r"`((?:tests|benchmarks)/[\w/]+\.py)`", page))
    assert len(proofs) > 20
    assert [path for path in sorted(proofs) if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("command", docs.reference.parsers_by_command())
def test_each_commands_example_has_arguments_that_it_takes(command: str) -> None:
    parser = docs.reference.parsers_by_command()[command]
    example = (parser.epilog or "").removeprefix("example: ")
    assert example.startswith(command)
    parser.parse_args(shlex.split(example.removeprefix(command)))


def test_the_reference_lists_the_settings_that_are_read() -> None:
    found = set().union(*map(read_from_environment, READERS))
    assert sorted(each.name for each in SETTINGS) == sorted(found)


def test_the_contract_lists_every_page() -> None:
    pages = {path.stem for path in (ROOT / "space" / "pages").iterdir()} - {"__init__", "__pycache__"}
    named = {"explore": "/", "try_it": "/try"}  # `try` cannot be the name of a package
    addresses = {named.get(page, f"/{page}") for page in pages}
    assert sorted(first(table(CONTRACT, "Pages"))) == sorted(code(list(addresses)))


def test_the_contract_lists_every_relation_with_its_category_and_sizes() -> None:
    scored = pq.read_table(SEED / "relations.parquet", columns=["relation", "pairs"]).to_pylist()
    usable = {row["relation"]: row["pairs"] for row in scored}
    relations = [[f"`{r.name}`", r.category, str(len(r.pairs)), str(usable[r.name])] for r in predefined_relations()]
    assert sorted(table(CONTRACT, "3. Relations")) == sorted(relations)


def test_the_contract_lists_the_keys_of_the_agreement() -> None:
    same = {"item": "1", "presence": "present_described", "precision": "poor", "category": "general"}
    found = summarise_judgments(
        select_counted_judgments(pd.DataFrame([same | {"annotator": name} for name in "ab"]))
    ).as_json()
    found |= {"paper": load_paper().as_json()}
    whole, left_out, question, coefficient, pair_summary, headline = map(first, tables(CONTRACT, "8. Agreement"))
    precision = found["questions"]["precision"]
    assert whole == code(list(found))
    assert left_out == code(list(found["left_out"]))
    assert sorted(question) == sorted(code(list(precision)))
    assert set(precision) - set(found["questions"]["presence"]) == {"gwet_ac2"}
    assert coefficient == code(list(precision["percent"]))
    assert set(precision["cohen_kappa"][0]) == {"pair", *precision["percent"]}
    assert pair_summary == code([field.name for field in fields(PairSummary)])
    assert headline == code(list(found["headline"]))
    assert set(found["headline"]["poor"]) == {"value", "count", "n"}
    assert first(table(CONTRACT, "Annotators and the majority")) == code(list(found["majority"]["precision"][0]))
    assert first(table(CONTRACT, "Rates and controls")) == code(list(found["controls"]["true"]["rates"]))


def test_the_contract_lists_the_columns_of_pairs() -> None:
    columns = {"item": "1", "annotator": "a", "presence": "absent_none", "precision": "", "category": ""}
    table_of_pairs = tabulate_pairwise_kappas(select_counted_judgments(pd.DataFrame([columns])).rows, 0)
    assert first(table(CONTRACT, "`pairs.csv`")) == code(list(table_of_pairs.columns))


def test_the_contract_lists_the_endings_of_tables() -> None:
    endings = [name for row in table(CONTRACT, "`python -m annotation agreement`") for name in row[0].split(", ")]
    assert endings == code(list(annotation.export.files.READERS)[:3]) + code([".json", ".jsonl", ".ndjson", ".parquet"])
    assert {name.strip("`") for name in endings} == set(annotation.export.files.READERS)


def test_the_contract_lists_the_columns_of_labels() -> None:
    columns = {"item": "1", "annotator": "a", "presence": "absent_none", "precision": "", "category": ""}
    judgments = select_counted_judgments(pd.DataFrame([columns]))
    [key] = judgments.rows["key"]
    found = compute_labels(judgments, {"presence": {key: ("absent_none", 1.0)}, "precision": {}, "category": {}})
    assert first(table(CONTRACT, "`labels.csv`")) == code([name for name in found.columns if name != "item"])


def test_the_contract_gives_the_bytes_and_the_hash_of_mappings() -> None:
    mappings = [
        Mapping(1, 12, " a", 1.0, (1, 2, 3), ("x", "y", "z"), (3.0, 2.0, 1.0)),
        Mapping(2, 7, " b", 0.5, (4, 5, 6), ("x", "y", "z"), (3.0, 2.0, 1.0)),
    ]
    assert mapping_hash(mappings) == hashlib.sha256(b"12:1,2,3;7:4,5,6").hexdigest()
    assert f"`12:1,2,3;7:4,5,6`, whose hash is\n`{mapping_hash(mappings)}`" in CONTRACT


def test_the_licences_name_the_origins_of_every_relation() -> None:
    used: dict[str, list[str]] = defaultdict(list)
    for file in sorted((ROOT / "maps" / "data" / "relations").glob("*.json")):
        data = json.loads(file.read_text(encoding="utf-8"))
        for origin in data["origins"]:
            used[origin].append(data["name"])
    rows = {row[0]: row[1] for row in table(LICENCES, "Relations")}
    assert rows == {f"`{origin}`": ", ".join(code(names)) for origin, names in used.items()}


def test_the_licences_name_every_package_that_the_project_asks_for() -> None:
    lines = (ROOT / "tests" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    asked_for = {
        "Packages at run time": PROJECT["dependencies"],
        "Packages of the tests": [line for line in lines if not line.startswith("#")],
    }
    for heading, requirements in asked_for.items():
        assert first(table(LICENCES, heading)) == [re.split(r"[\[<>=]", text)[0] for text in requirements]


def test_the_licence_is_the_one_that_the_project_declares() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "END OF TERMS AND CONDITIONS" in text
    assert {key: citation()[key] for key in ("title", "version", "license")} == {
        "title": PROJECT["name"],
        "version": PROJECT["version"],
        "license": PROJECT["license"],
    }


def test_the_citation_prefers_the_paper() -> None:
    paper = citation()["preferred-citation"]
    assert [f"{author['given-names']} {author['family-names']}" for author in paper["authors"]] == [
        "Amit Elhelo",
        "Mor Geva",
    ]
    assert (paper["title"], paper["year"], paper["identifiers"][0]["value"]) == (
        "Inferring Functionality of Attention Heads from their Parameters",
        2025,
        "arXiv:2412.11965",
    )


def test_the_page_on_the_offline_describer_quotes_the_shipped_atlas() -> None:
    rows = pq.read_table(SEED / "descriptions.parquet").to_pylist()
    page = (ROOT / "docs" / "offline.md").read_text(encoding="utf-8")
    described = [row for row in rows if row["pattern"]]
    assert f"{len(described)} of {len(rows)} heads get a pattern" in page
    said = {
        f"L{row['layer']}H{row['head']}": re.sub(r"([\\`*_\[\]()<>|])", r"\\\1", row["observed_pattern"])
        for row in described
    }
    lines = re.findall(r"^\| (L\d+H\d+) \| (.*) \| [a-z ]+ \| .* \|$", page, re.MULTILINE)
    assert lines == [(head, said[head]) for head, _ in lines]
    assert len(lines) == 30


@pytest.mark.parametrize(
    "name", [str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))]
)
def test_links_between_the_papers_lead_somewhere(name: str) -> None:
    path = ROOT / name
    links = re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (path.parent / link.split("#")[0]).exists()] == []


def test_the_page_on_performance_is_written_from_the_kept_results() -> None:
    assert docs.performance.performance_page() == docs.performance.PAGE.read_text(encoding="utf-8"), (
        "run python -m docs.performance"
    )
    assert docs.performance.readme_rows() in README


def test_the_page_on_describers_is_written_from_the_kept_table() -> None:
    assert docs.describers.describers_page() == docs.describers.PAGE.read_text(encoding="utf-8"), (
        "run python -m docs.describers"
    )


def test_the_page_on_readings_is_written_from_the_kept_results() -> None:
    assert docs.readings.readings_page() == docs.readings.PAGE.read_text(encoding="utf-8"), (
        "run python -m docs.readings"
    )
    for model in docs.readings.MODELS:
        kept = docs.readings.read_rows(model, "heads_by_layer.csv")
        for atlas in sorted((ROOT / "space" / "seed").glob(f"{model}*")):
            counted = docs.readings.count_heads(Atlas.open(atlas))
            assert [row for row in kept if row["reading"] == counted[0]["reading"]] == counted


def test_the_page_on_large_models_has_the_tables_of_what_was_measured() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert [table for table in benchmarks.scaling_plan.scaling_tables() if table not in page] == []


def test_the_readme_says_how_many_heads_of_the_shipped_atlas_have_a_relation() -> None:
    heads = pq.read_table(SEED / "heads.parquet").num_rows
    classified = len(classify(pq.read_table(SEED / "relations.parquet"), TAU, MIN_PAIRS))
    assert f"{heads} heads, {classified} ({classified / heads:.1%})".replace("%", " %") in README


def test_the_verdicts_on_the_papers_claims_are_those_of_the_kept_results() -> None:
    part = claims_part(ROOT / "docs" / "experiments" / "smollm2")
    assert part is not None
    page = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    assert [row for row in part.tables[0].rows if f"| {' | '.join(row)} |" not in page] == []
    measured = json.loads((ROOT / "benchmarks" / "results" / "experiments_speed.json").read_text(encoding="utf-8"))
    least, *_, most = sorted(each["ratio"] for each in measured["causal"]["relations"].values())
    assert (
        f"correlation {measured['correlation']['ratio']:.0f} times as fast on two relations, causal "
        f"{measured['causal']['ratio']:.0f} times on four tasks, from {least:.0f} to {most:.0f}."
    ) in " ".join(page.split())
