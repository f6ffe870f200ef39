"""`report`: what the relation scores of an atlas say, as tables and figures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maps.command_line import Subparsers, positive_int, share
from maps.errors import MapsError

if TYPE_CHECKING:
    from pyarrow import Table

    from maps.atlas.reader import Atlas
    from maps.report.atlas_report import AtlasFindings, ReportSection

FIGURE_NAMES = ("categories", "heads_per_relation", "groups", "output_space", "breadth", "identification")
FIGURE_FORMATS = ("svg", "html", "vl.json")


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """`report`."""
    p = commands.add_parser(
        "report",
        help="what the relation scores of an atlas say, as tables and figures",
        description="Write what the relation scores of an atlas say: CSV tables, figures, and a page in words.",
        epilog="example: python -m maps report data/atlases/smollm2 --out report",
    )
    p.add_argument("atlas", type=Path, help="the atlas's folder")
    p.add_argument("--out", required=True, type=Path, help="the folder of the report; files there are replaced")
    p.add_argument("--tau", type=share, help="score from which a head implements a relation (default: the atlas's)")
    p.add_argument("--min-pairs", type=positive_int, help="usable pairs a relation needs (default: the atlas's)")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Writes the report and says its first numbers."""
    from maps.atlas.reader import Atlas
    from maps.figures import render
    from maps.files.atomic import write_file
    from maps.files.csv_export import table_to_csv
    from maps.report import atlas_report
    from maps.report.evidence import EVIDENCE_FIGURES as OF_EVIDENCE
    from maps.report.evidence import EVIDENCE_TABLES, compute_evidence
    from maps.text import escape_for_terminal

    atlas, out = Atlas.open(arguments.atlas), arguments.out
    found = atlas_findings(atlas, arguments.tau, arguments.min_pairs)
    drawn = render.can_draw()
    proven = compute_evidence(atlas)
    tables = found.tables | proven.tables
    files: dict[str, str] = {f"{name}.csv": table_to_csv(table) for name, table in tables.items()}
    specs = figure_specs(atlas, found) | proven.figures
    for name, spec in specs.items():
        files[f"{name}.vl.json"] = json.dumps(spec, indent=1) + "\n"
        if drawn:
            files |= {f"{name}.svg": render.render_svg(spec), f"{name}.html": render.render_page(spec)}
    parts = [
        *atlas_report.build_sections(found, "output_space" in specs),
        breadth_section(atlas, found),
        *proven.sections,
    ]
    files["report.md"] = atlas_report.render_markdown(found, parts, drawn)
    files["report.html"] = atlas_report.render_page(found, parts, drawn)
    for name, content in files.items():
        write_file(out / name, content.encode())
    possible = {f"{figure}.{kind}" for figure in (*FIGURE_NAMES, *OF_EVIDENCE) for kind in FIGURE_FORMATS}
    for name in (possible | {f"{name}.csv" for name in (*atlas_report.REPORT_TABLES, *EVIDENCE_TABLES)}) - files.keys():
        (out / name).unlink(missing_ok=True)  # of an earlier report, no longer true
    print("\n".join(map(escape_for_terminal, parts[0].sentences)))
    if not drawn:
        print("Pictures need vl-convert: `python -m pip install vl-convert-python`, then run this command again.")
    print(f"The report is in {out / 'report.html'}.")


def atlas_findings(atlas: Atlas, tau: float | None, min_pairs: int | None) -> AtlasFindings:
    """The tables of the report; raises MapsError where the atlas has no relation scores."""
    from maps.report import atlas_report

    relations = atlas.table("relations")
    if not len(relations):
        raise MapsError(f"{atlas.folder} holds no relation scores; map the model again with relations.")
    settings = atlas.info["settings"]
    return atlas_report.compute_findings(
        atlas.model,
        atlas.table("heads"),
        atlas.table("mappings", ["layer", "head", "source_id", "target_ids"]),
        relations,
        settings["tau"] if tau is None else tau,
        settings["min_pairs"] if min_pairs is None else min_pairs,
        identification_table(atlas),
    )


def identification_table(atlas: Atlas) -> Table | None:
    """How often describers see a pattern; None where no head is described."""
    from maps.analysis.identification import identification_rates

    current = atlas.descriptions()
    return identification_rates(atlas.head_ids, current, atlas.stale_description_ids()) if current else None


def breadth_section(atlas: Atlas, findings: AtlasFindings) -> ReportSection:
    """How global or specific the heads are, in words."""
    from maps.analysis.breadth import OutputSpaceReferences, breadth_sentences
    from maps.report.atlas_report import ReportSection

    said = tuple(breadth_sentences(findings.tables["breadth"], OutputSpaceReferences.from_info(atlas.info)))
    return ReportSection("Global and specific heads", said, "breadth", "breadth")


def figure_specs(atlas: Atlas, findings: AtlasFindings) -> dict[str, dict[str, Any]]:
    """The figures as Vega-Lite, by file name; that of the output space only where it was computed."""
    from maps import figures
    from maps.analysis.breadth import OutputSpaceReferences

    layers, heads, tables = atlas.info["layers"], atlas.info["heads"], findings.tables
    drawn = {
        "categories": figures.functionality_map(tables["categories"], atlas.model, layers, heads),
        "heads_per_relation": figures.heads_per_relation(tables["heads_per_relation"], atlas.model),
        "groups": figures.group_similarity(tables["groups"], atlas.model),
        "identification": figures.identification_rate(tables["identification"], atlas.model)
        if "identification" in tables
        else None,
        "breadth": figures.breadth_by_layer(
            atlas.table("heads"), atlas.model, OutputSpaceReferences.from_info(atlas.info)
        ),
        "output_space": figures.skewness_by_output_space(
            atlas.table("heads"), list(findings.classified_heads), atlas.model
        ),
    }
    return {name: figures.vega_spec(figure) for name, figure in drawn.items() if figure is not None}
