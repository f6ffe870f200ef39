"""The command `report`: the relation scores of an atlas as tables, figures and text."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maps.command_line import Subparsers, positive_int, print_text, share
from maps.commands.arguments import MISSING_PICTURES_HINT

if TYPE_CHECKING:
    from maps.atlas.reader import Atlas
    from maps.report.atlas_report import AtlasFindings

FIGURE_NAMES = ("categories", "heads_per_relation", "groups", "output_space", "breadth", "identification")
FIGURE_FORMATS = ("svg", "html", "vl.json")


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "report",
        help="report the relation scores of an atlas as tables, figures and text",
        description="Report the relation scores of an atlas: CSV tables, figures, and a page of text.",
        epilog="example: python -m maps report data/atlases/smollm2 --out report",
    )
    p.add_argument("atlas", type=Path, help="the atlas's folder")
    p.add_argument("--out", required=True, type=Path, help="the folder of the report; its files are replaced")
    p.add_argument("--tau", type=share, help="lowest score of a head that implements a relation (default: the atlas's)")
    p.add_argument("--min-pairs", type=positive_int, help="usable pairs a relation needs (default: the atlas's)")
    p.add_argument(
        "--null",
        action="append",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="a null atlas (from `maps null`) with descriptions: says how many patterns are expected by chance",
    )
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Writes the report and prints its first sentences."""
    from maps.atlas.reader import Atlas
    from maps.figures import render
    from maps.files.atomic import write_file
    from maps.files.csv_export import table_to_csv
    from maps.report import atlas_report
    from maps.report.evidence import compute_evidence

    atlas, out = Atlas.open(arguments.atlas), arguments.out
    findings = atlas_report.compute_findings(atlas, arguments.tau, arguments.min_pairs)
    evidence = compute_evidence(atlas, [Atlas.open(folder) for folder in arguments.null])
    specs = figure_specs(atlas, findings) | evidence.figures
    sections = [*atlas_report.build_sections(findings, "output_space" in specs), *evidence.sections]
    tables = findings.tables | evidence.tables
    files = {f"{name}.csv": table_to_csv(table) for name, table in tables.items()} | figure_files(specs)
    files["report.md"] = atlas_report.render_markdown(findings, sections, render.can_draw())
    files["report.html"] = atlas_report.render_page(findings, sections, render.can_draw())
    for name, content in files.items():
        write_file(out / name, content.encode())
    for name in report_file_names() - files.keys():
        (out / name).unlink(missing_ok=True)  # of an earlier report, out of date
    print_text("\n".join(sections[0].sentences))
    if not render.can_draw():
        print_text(MISSING_PICTURES_HINT)
    print_text(f"The report is in {out / 'report.html'}.")


def figure_files(specs: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The files of figures: Vega-Lite, and pictures where they can be drawn."""
    from maps.figures import render

    files = {f"{name}.vl.json": json.dumps(spec, indent=1) + "\n" for name, spec in specs.items()}
    if render.can_draw():
        for name, spec in specs.items():
            files |= {f"{name}.svg": render.render_svg(spec), f"{name}.html": render.render_page(spec)}
    return files


def report_file_names() -> set[str]:
    from maps.report.atlas_report import REPORT_TABLES
    from maps.report.evidence import EVIDENCE_FIGURES, EVIDENCE_TABLES

    figures = {f"{name}.{kind}" for name in (*FIGURE_NAMES, *EVIDENCE_FIGURES) for kind in FIGURE_FORMATS}
    return figures | {f"{name}.csv" for name in (*REPORT_TABLES, *EVIDENCE_TABLES)}


def figure_specs(atlas: Atlas, findings: AtlasFindings) -> dict[str, dict[str, Any]]:
    """The figures as Vega-Lite, by file name; some only where their data was computed."""
    from maps import figures

    tables, model, heads = findings.tables, atlas.model, atlas.table("heads")
    by_name = {
        "categories": figures.functionality_map(tables["categories"], model, atlas.info["layers"], atlas.info["heads"]),
        "heads_per_relation": figures.heads_per_relation(tables["heads_per_relation"], model),
        "groups": figures.group_similarity(tables["groups"], model),
        "breadth": figures.breadth_by_layer(heads, model, findings.references),
        "output_space": figures.skewness_by_output_space(heads, list(findings.classified_heads), model),
    }
    if "identification" in tables:
        by_name["identification"] = figures.identification_rate(tables["identification"], model)
    return {name: figures.vega_spec(figure) for name, figure in by_name.items() if figure is not None}
