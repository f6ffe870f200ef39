"""The tables of docs/scaling.md, from what benchmarks measured: `.venv/bin/python -m benchmarks.scaling_plan`.

Times are of the two cores that the figures were measured on. A layer of 405B takes that of 70B, which was measured
whole, times the ratio of the two, which was measured with a share of the vocabulary.
"""

from __future__ import annotations

import json
from math import ceil, prod
from pathlib import Path
from typing import Any

from benchmarks.scaling import SIZES, llama_405b
from benchmarks.shapes import MADE, SHAPES, Shape

RESULTS = Path(__file__).parent / "results"
MACHINES = (4, 16, 126)
Measured = dict[str, Any]


def size(shape: Shape, only: tuple[str, ...] = ("",)) -> int:
    """The bytes of a layer's tensors, or of some of them."""
    chosen = (each for name, each in shape.layer.items() if any(part in name for part in only))
    return sum(map(prod, chosen)) * shape.dtype.itemsize


def ends(shape: Shape) -> int:
    """The bytes of E and U and the last norm."""
    return sum(map(prod, shape.whole.values())) * shape.dtype.itemsize


def mlp_operations(shape: Shape) -> int:
    """What Ẽ takes once: three products of every token with a matrix of the first MLP."""
    c = shape.config
    return 6 * shape.vocabulary * c["hidden_size"] * c["intermediate_size"]


def hours(seconds: float) -> str:
    """A time for a table."""
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def mapping(speed: Measured, scaling: Measured) -> list[tuple[str, ...]]:
    """What 70B and 405B take."""
    small, large, measured = SHAPES["llama-70b"], llama_405b(), speed["llama-70b"]
    layers = {"70b": measured["layer_seconds"], "405b": measured["layer_seconds"] * scaling["layer"]["ratio"]}
    fixed = {"70b": measured["fixed_seconds"], "405b": measured["fixed_seconds"] * ends(large) / ends(small)}
    memory = {"70b": measured["gigabytes"]}
    memory["405b"] = scaling["layer"]["gigabytes"] + (1 - scaling["layer"]["share"]) * ends(large) / 1e9
    rows: list[tuple[str, ...]] = [("", "Llama-3.1 70B", "Llama-3.1 405B")]
    both = (("70b", small), ("405b", large))
    rows.append(("in the checkpoint", *(f"{listed(shape) / 1e9:.0f} GB" for _, shape in both)))
    rows.append(("read of it", *(f"{read(shape) / 1e9:.0f} GB" for _, shape in both)))
    rows.append(("memory of a process", *(f"{memory[name]:.0f} GB" for name, _ in both)))
    rows.append(("a layer", *(f"{layers[name]:.0f} s" for name, _ in both)))
    for machines in (1, *MACHINES):
        label = "on one machine" if machines == 1 else f"on {machines} machines"
        whole = (fixed[name] + ceil(shape.layers / machines) * layers[name] for name, shape in both)
        rows.append((label, *map(hours, whole)))
    rate = speed["kernels"]["float32_rate"]
    more = [hours(mlp_operations(shape) / rate) for _, shape in both]
    rows.append(("more with the first MLP, in every process", *more))
    return rows


def read(shape: Shape) -> int:
    """The bytes that are read, without the first MLP."""
    return ends(shape) + shape.layers * size(shape, MADE)


def listed(shape: Shape) -> int:
    """The bytes of the whole checkpoint."""
    return ends(shape) + shape.layers * size(shape)


def study(scaling: Measured) -> list[tuple[str, ...]]:
    """What studies of growing size take; a dash stands for what was not measured."""
    lines = (
        ("who has which item: asked for every next item", "journal", "places_seconds"),
        ("all rows: a page of results or of the organiser", "journal", "rows_seconds"),
        ("put back after a lost disk", "journal", "restore_seconds"),
        ("the ledger's files, read", "ledger", "ledger_read_seconds"),
        ("the ledger's files, all of them written", "ledger", "ledger_write_seconds"),
        ("`annotation agreement`, 100 annotators", "agreement", "seconds"),
        ("its memory", "agreement", "gigabytes"),
        ("the journal", "journal", "journal_bytes"),
        ("the ledger", "ledger", "ledger_bytes"),
    )
    rows: list[tuple[str, ...]] = [("judgments in one study", *(f"{count:,}" for count in SIZES))]
    for label, part, name in lines:
        values = (scaling.get(f"{part}-{count}", {}).get(name) for count in SIZES)
        rows.append((label, *(cell(name, value) for value in values)))
    return rows


def cell(name: str, value: float | None) -> str:
    """A measured value with its unit."""
    if value is None:
        return "–"
    if name.endswith("bytes") and name != "gigabytes":
        return f"{value / 1e6:,.0f} MB"
    return f"{value:.1f} GB" if name == "gigabytes" else f"{short(value)} s"


def short(value: float) -> str:
    """Two digits, or all before the point."""
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows as Markdown, the first one the head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]) + "\n"


def tables() -> tuple[str, str]:
    """The page's two tables."""
    speed, scaling = (json.loads((RESULTS / f"{name}.json").read_text()) for name in ("map_speed", "scaling"))
    return table(mapping(speed, scaling)), table(study(scaling))


if __name__ == "__main__":
    print("\n".join(tables()), end="")
