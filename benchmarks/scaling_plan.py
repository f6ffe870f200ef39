"""The tables of docs/scaling.md, from what benchmarks measured: `.venv/bin/python -m benchmarks.scaling_plan`.

Times are of the two cores that the figures were measured on. A layer of 405B takes that of 70B, which was measured
whole, times the ratio of the two, which was measured with a share of the vocabulary.
"""

from __future__ import annotations

import json
from math import ceil, prod
from pathlib import Path
from typing import Any

from benchmarks.scaling import JUDGMENT_COUNTS, llama_405b_shape
from benchmarks.shapes import SHAPES, STORED_TENSORS, BenchmarkShape

RESULTS = Path(__file__).parent / "results"
MACHINE_COUNTS = (4, 16, 126)
Measurement = dict[str, Any]


def layer_bytes(shape: BenchmarkShape, name_parts: tuple[str, ...] = ("",)) -> int:
    chosen = (each for name, each in shape.layer_tensors.items() if any(part in name for part in name_parts))
    return sum(map(prod, chosen)) * shape.dtype.itemsize


def embedding_bytes(shape: BenchmarkShape) -> int:
    """The bytes of E and U and the last norm."""
    return sum(map(prod, shape.model_tensors.values())) * shape.dtype.itemsize


def first_mlp_operations(shape: BenchmarkShape) -> int:
    """What Ẽ takes once: three products of every token with a matrix of the first MLP."""
    c = shape.config
    return 6 * shape.vocabulary * c["hidden_size"] * c["intermediate_size"]


def duration_text(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def mapping_rows(speed: Measurement, scaling: Measurement) -> list[tuple[str, ...]]:
    small, large, measured = SHAPES["llama-70b"], llama_405b_shape(), speed["llama-70b"]
    layers = {"70b": measured["layer_seconds"], "405b": measured["layer_seconds"] * scaling["layer"]["ratio"]}
    fixed = {
        "70b": measured["fixed_seconds"],
        "405b": measured["fixed_seconds"] * embedding_bytes(large) / embedding_bytes(small),
    }
    memory = {"70b": measured["gigabytes"]}
    memory["405b"] = scaling["layer"]["gigabytes"] + (1 - scaling["layer"]["share"]) * embedding_bytes(large) / 1e9
    rows: list[tuple[str, ...]] = [("", "Llama-3.1 70B", "Llama-3.1 405B")]
    both = (("70b", small), ("405b", large))
    rows.append(("in the checkpoint", *(f"{bytes_in_checkpoint(shape) / 1e9:.0f} GB" for _, shape in both)))
    rows.append(("read of it", *(f"{bytes_read(shape) / 1e9:.0f} GB" for _, shape in both)))
    rows.append(("memory of a process", *(f"{memory[name]:.0f} GB" for name, _ in both)))
    rows.append(("a layer", *(f"{layers[name]:.0f} s" for name, _ in both)))
    for machines in (1, *MACHINE_COUNTS):
        label = "on one machine" if machines == 1 else f"on {machines} machines"
        whole = (fixed[name] + ceil(shape.layers / machines) * layers[name] for name, shape in both)
        rows.append((label, *map(duration_text, whole)))
    rate = speed["kernels"]["float32_rate"]
    more = [duration_text(first_mlp_operations(shape) / rate) for _, shape in both]
    rows.append(("more with the first MLP, in every process", *more))
    return rows


def bytes_read(shape: BenchmarkShape) -> int:
    """The bytes that are read, without the first MLP."""
    return embedding_bytes(shape) + shape.layers * layer_bytes(shape, STORED_TENSORS)


def bytes_in_checkpoint(shape: BenchmarkShape) -> int:
    return embedding_bytes(shape) + shape.layers * layer_bytes(shape)


def study_rows(scaling: Measurement) -> list[tuple[str, ...]]:
    """What studies of growing size take; a dash stands for what was not measured."""
    lines = (
        ("who has which item: read once after a start", "journal", "places_seconds"),
        ("all rows: a page of results or of the organiser", "journal", "rows_seconds"),
        ("put back after a lost disk", "journal", "restore_seconds"),
        ("the ledger's files, read", "ledger", "ledger_read_seconds"),
        ("the ledger's files, all of them written", "ledger", "ledger_write_seconds"),
        ("`annotation agreement`, 100 annotators", "agreement", "seconds"),
        ("its memory", "agreement", "gigabytes"),
        ("the journal", "journal", "journal_bytes"),
        ("the ledger", "ledger", "ledger_bytes"),
    )
    rows: list[tuple[str, ...]] = [("judgments in one study", *(f"{count:,}" for count in JUDGMENT_COUNTS))]
    for label, part, name in lines:
        values = (scaling.get(f"{part}-{count}", {}).get(name) for count in JUDGMENT_COUNTS)
        rows.append((label, *(measurement_cell(name, value) for value in values)))
    return rows


def measurement_cell(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if name.endswith("bytes") and name != "gigabytes":
        return f"{value / 1e6:,.0f} MB"
    return f"{value:.1f} GB" if name == "gigabytes" else f"{number_text(value)} s"


def number_text(value: float) -> str:
    """Two digits, or all before the point."""
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def markdown_table(rows: list[tuple[str, ...]]) -> str:
    """Rows as Markdown, the first one the head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]) + "\n"


def scaling_tables() -> tuple[str, str]:
    speed, scaling = (json.loads((RESULTS / f"{name}.json").read_text()) for name in ("map_speed", "scaling"))
    return markdown_table(mapping_rows(speed, scaling)), markdown_table(study_rows(scaling))


if __name__ == "__main__":
    print("\n".join(scaling_tables()), end="")
