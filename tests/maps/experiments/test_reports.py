"""Reports of experiments: numbers, published values, LaTeX, hostile names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from maps.atlas.random_csv import RANDOM_CSV_SCHEMA
from maps.errors import MapsError
from maps.experiments.report import build
from maps.experiments.report.cells import figures_by_model, published_model_name, relation_figures
from maps.experiments.report.claims import claims_part, correlation_claim
from maps.experiments.report.correlation import CONTEXT_LABELS, correlation_tables
from maps.experiments.report.html import ReportTable, latex_table
from maps.experiments.results import RESULT_SCHEMAS, LeftOutRelation, Result, experiment_parts

HOSTILE = "<script>alert(1)</script> & 100%_\\"


def row(experiment: str, **given: Any) -> dict[str, Any]:
    """A row of an experiment's table; columns that are not given are None."""
    return dict.fromkeys(RESULT_SCHEMAS[experiment].names) | given


def correlation(folder: Path, experiment: str = "correlation", model: str = "small") -> Result:
    """A result of two relations, one of them with a hostile name, and one left out."""
    capital = {"without_context": 0.9, "with_context": 0.8, "max_score": 0.5, "without_context_p": 1e-301}
    rows = [
        row(experiment, relation="country_to_capital", pairs=45, k=10, **capital),
        row(experiment, relation=HOSTILE, pairs=40, k=10, without_context=0.1, with_context_p=0.25),
    ]
    if experiment == "multi_token":
        rows[0] |= {"single_pairs": 50, "single_without_context": 0.94, "single_with_context": 0.9}
        rows[1] |= {"single_pairs": 30}
    settings = {"model": model, "revision": "1", "prompts": ["About \u27e8s\u27e9"], "tau": 0.15}
    left = [LeftOutRelation("year_to_following", 0, "0 usable pairs, fewer than 30")]
    result = Result(experiment, folder, settings, rows, left)
    result.write()
    for place, one in enumerate(rows):
        runs = {f"{side}{kind}": [[0.1, 0.4], [0.1, 0.1]] for side in ("", "suppression_") for kind in CONTEXT_LABELS}
        runs |= {"without_context": [[0.2, 0.4], [0.1, 0.1]]}
        path = experiment_parts(folder, experiment).path(one["relation"])
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"score": [0.15, 0.2 * place], "suppression": [0.0, 0.0], **runs}), encoding="utf-8")
    return result


def causal(folder: Path) -> Result:
    accuracies = {"base": 0.8, "relation_heads_removed": 0.2, "random_heads_removed": 0.7, "random_sd": 0.05}
    control = {"control_tasks": 1, "control_base": 0.9, "control_relation_heads_removed": 0.85}
    one = row("causal", relation="country_to_capital", pairs=45, heads_removed=2, **accuracies, **control)
    result = Result("causal", folder, {"model": "EleutherAI/pythia-12b", "seed": 0}, [one], [])
    result.write()
    curves = {
        "relation_heads": [0.8, 0.5, 0.2],
        "random_heads": [[0.8, 0.75, 0.7]],
        "controls": {"x": [0.9, 0.9, 0.85]},
    }
    path = experiment_parts(folder, "causal").path("country_to_capital")
    path.parent.mkdir()
    path.write_text(json.dumps(curves), encoding="utf-8")
    return result


def test_the_report_stands_alone_and_shows_no_name_as_markup(tmp_path: Path) -> None:
    correlation(tmp_path)
    page = build.write_experiments_report(tmp_path).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert 'src="' not in page
    for words in ("0.90", "&lt; 1e-300", "0.85 to 0.98 (5)", "0 usable pairs, fewer than 30", "from 0.10"):
        assert words in page


def test_every_experiment_in_the_folder_is_in_its_report(tmp_path: Path) -> None:
    correlation(tmp_path)
    correlation(tmp_path, "multi_token")
    causal(tmp_path)
    (tmp_path / "random.csv").write_text(",".join(RANDOM_CSV_SCHEMA.names) + "\n0.15,20,3\n", encoding="utf-8")
    page = build.write_experiments_report(tmp_path).read_text(encoding="utf-8")
    assert page.count("<h2>") == 5
    assert page.count("<svg") == 4
    assert "In 1 of 1 tasks, removing the relation" in page
    assert '<th scope="col" class="number">Pythia 12B</th>' in page
    assert '<td class="number">0.97 → 0.00</td>' in page
    assert "In 1 of 2 cases (a relation, without or with context)" in page
    assert "20 heads of the model and 3 random heads pass τ = 0.15" in page
    assert (
        "3 static scores of τ = 0.15 or more: the dynamic score reaches τ too in 3 of these cases without context, and "
        "in 1 with context."
    ) in page
    made = {path.name for path in tmp_path.iterdir()}
    for name in ("correlation", "multi_token", "causal", "random"):
        assert {f"{name}.vl.json", f"{name}.svg"} <= made
    assert {"correlation_correlation.tex", "causal_accuracy.tex", "random_heads.tex"} <= made


def test_the_report_opens_with_a_verdict_on_each_of_the_papers_claims(tmp_path: Path) -> None:
    correlation(tmp_path)
    correlation(tmp_path, "multi_token")
    causal(tmp_path)
    (tmp_path / "random.csv").write_text(",".join(RANDOM_CSV_SCHEMA.names) + "\n0.15,20,3\n", encoding="utf-8")
    part = claims_part(tmp_path)
    assert part is not None
    actual = [(claim[2], claim[3]) for claim in part.tables[0].rows]
    assert actual == [
        ("mean r 0.50; 1 of 2 relations correlate (p < 0.01)", "does not hold"),
        ("mean r 0.80; 0 of 1 relations correlate (p < 0.01)", "does not hold"),
        ("0 of 1 relations; r at most 0.10 lower", "does not hold"),
        ("1 of 1 tasks; on average 75 % against 13 %", "holds"),
        ("1 of 1 tasks", "holds"),
        ("1 of 1 tasks", "holds"),
        ("1 of 1 tasks; on average 75 % against 6 %", "holds"),
        ("3 random and 20 trained heads", "weaker"),
    ]
    assert part.sentences[0] == "4 of 8 claims hold in full."


@pytest.mark.parametrize(
    ("r", "p", "verdict"), [(0.9, 1e-9, "holds"), (0.5, 1e-9, "weaker"), (0.5, 0.2, "does not hold")]
)
def test_a_correlation_holds_where_it_is_as_high_as_the_weakest_published_one(r: float, p: float, verdict: str) -> None:
    rows = [row("correlation", relation="country_to_capital", without_context=r, without_context_p=p)]
    claim = correlation_claim(rows, "without_context", "statement")
    assert claim is not None
    lowest, highest = 0.85, 0.98  # of five models, in published.json
    assert (claim.paper_finding, claim.verdict) == (f"mean r {lowest} to {highest} in 5 models", verdict)


def test_a_published_model_is_compared_with_its_own_figures(tmp_path: Path) -> None:
    result = correlation(tmp_path, model="openai-community/gpt2-xl")
    first = correlation_tables(result)[0].rows[0]
    assert first[-2:] == ("0.98", "0.88")
    assert published_model_name("models/gpt2-xl/") == "GPT-2 xl"
    assert published_model_name("gpt2") is None
    assert set(figures_by_model("causal")) == {"GPT-2 xl", "Pythia 6.9B", "Pythia 12B", "Llama-3.1 8B"}
    assert relation_figures("correlation", "country_to_capital", "without_context")["GPT-2 xl"] == 0.983


def test_latex_takes_any_text() -> None:
    actual = latex_table(ReportTable("t", "50 % of τ", ("A_b", "n"), [(HOSTILE, "1")]))
    assert r"\caption{50 \% of $\tau$}" in actual
    assert r"<script>alert(1)</script> \& 100\%\_\textbackslash{} & 1 \\" in actual
    assert r"\begin{tabular}{lr}" in actual


def test_a_damaged_result_is_reported(tmp_path: Path) -> None:
    (tmp_path / "causal.json").write_text("{}", encoding="utf-8")
    with pytest.raises(MapsError, match="damaged"):
        build.write_experiments_report(tmp_path)


def write_tables(folder: Path, experiment: str, **tables: list[dict[str, Any]]) -> None:
    data = {"settings": {"model": "small", "revision": "1"}, "tables": tables}
    (folder / f"{experiment}.json").write_text(json.dumps(data), encoding="utf-8")


def test_the_report_contains_what_goes_beyond_the_paper(tmp_path: Path) -> None:
    head = {"layer": 1, "head": 2}
    end = {"direction": 1, "share": 0.4, "sources": [" <b>in</b>"], "targets": ["\\n"]}
    ends = [head | end | {"end": name, "salient": count} for name, count in (("high", 10), ("low", 9))]
    write_tables(
        tmp_path,
        "directions",
        directions=ends,
        direction_heads=[head | {"directions_90": 7, "operations": 2, "second": 9}],
    )
    queries = [head | {"rank": rank, "query": f" q{rank}", "keys": [" k1", " k2"]} for rank in (1, 2)]
    write_tables(
        tmp_path, "attention", attention=queries, attention_heads=[head | {"own_share": 0.5, "distinct_keys": 3}]
    )
    bias = {"length": 2.0, "written": 4.0, "hits_changed": 3, "gained": ["copying"], "lost": [], "targets": [" a"]}
    write_tables(tmp_path, "biases", biases=[head | bias, {**head, **bias, "head": None}])
    group = {"group": "name movers", "relation": "name_copying", "side": "score", "heads": 3}
    write_tables(tmp_path, "known_heads", known_groups=[group | {"likewise": 2, "published": 3, "further": 4}])
    measures = {"overlap": 0.5, "specific": 0.75, "raised": 0.0, "effect": 0.25}
    of_readings = [{"reading": "mlp", "layer": layer, **measures} for layer in range(3)]
    write_tables(tmp_path, "readings", readings=[*of_readings, {**of_readings[0], "reading": "control: mean stream"}])
    page = build.write_experiments_report(tmp_path).read_text(encoding="utf-8")
    assert page.count("<h2>") == 5
    for words in (
        "1 of 1 head have several operations",
        "·&lt;b&gt;in&lt;/b&gt;",
        "In 1 of 1 head, at least 10 % of the tokens are among the 5 keys",
        "1 of 1 head gain or lose a relation; 3 hits change",
        "MAPS classifies 2 of 3 heads as the earlier work",
        "The reading mlp predicts best",
        "0.75, 0.75, 0.75",
    ):
        assert words in page
    assert "1 high & 10 & 40 \\% &" in (tmp_path / "directions_several.tex").read_text(encoding="utf-8")
