"""What a layer of Llama-3.1 405B and a study of many judgments take: the figures that docs/scaling.md plans with.

`.venv/bin/python -m benchmarks.scaling` measures every part (an hour on two cores) and keeps what each measured in
`benchmarks/results/scaling.json`; names of parts run those alone. A layer is mapped with a part of the vocabulary,
at the shapes of 70B and of 405B: how many times longer the larger one takes is what is planned with.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import torch

from annotation.form import QUESTIONS
from annotation.journal.journal import Journal
from annotation.ledger.rows import files_from_rows, merge_rows, parse_rows
from annotation.study.study import Study
from annotation.types import Consent, Judgment, LedgerRows, StoredJudgment
from benchmarks import shapes
from benchmarks.map_speed import run_child

RESULTS = Path(__file__).parent / "results" / "scaling.json"
WIDTH, MLP_WIDTH, LAYERS, HEADS = 16384, 53248, 126, 128
VOCABULARY_DIVISOR = 16  # of the vocabulary's tokens one is kept
JUDGMENT_COUNTS = (10**4, 10**5, 10**6)  # judgments
JUDGMENTS_PER_ITEM = 3  # judgments of an item
START_TIME = datetime(2026, 11, 1, tzinfo=UTC)
Measurement = dict[str, Any]


def resize_shapes(sizes: dict[str, tuple[int, ...]], new: dict[int, int]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(new.get(n, n) for n in size) for name, size in sizes.items()}


def llama_405b_shape() -> shapes.BenchmarkShape:
    """Its shape. Keys and values are 8 heads of 128 as in the 70B: (1024, width)."""
    small, new = shapes.SHAPES["llama-70b"], {8192: WIDTH, 28672: MLP_WIDTH}
    config = {"num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "hidden_size": WIDTH}
    return replace(
        small,
        config=small.config | config | {"intermediate_size": MLP_WIDTH},
        layers=LAYERS,
        model_tensors=resize_shapes(small.model_tensors, new),
        layer_tensors=resize_shapes(small.layer_tensors, new),
    )


def reduce_vocabulary(shape: shapes.BenchmarkShape, divisor: int) -> shapes.BenchmarkShape:
    """A shape with one token of every `divisor`."""
    kept = shape.vocabulary // divisor
    config = shape.config | {"vocab_size": kept}
    return replace(
        shape,
        config=config,
        vocabulary=kept,
        model_tensors=resize_shapes(shape.model_tensors, {shape.vocabulary: kept}),
    )


def measure_layer() -> Measurement:
    """A layer at the shapes of 70B and 405B, in seconds of one processor, which other work disturbs least."""
    torch.set_num_threads(1)
    shapes.SHAPES["llama-405b"], seconds = llama_405b_shape(), {}
    for name in ("70b", "405b"):
        shapes.SHAPES["shared"] = reduce_vocabulary(shapes.SHAPES[f"llama-{name}"], VOCABULARY_DIVISOR)
        seconds[name] = shapes.measure("shared", time.process_time)["layer_seconds"]
    told = {f"processor_seconds_{name}": each for name, each in seconds.items()}
    return {"share": 1 / VOCABULARY_DIVISOR, **told, "ratio": seconds["405b"] / seconds["70b"]}


def invent_answers(count: int, annotators: int) -> pd.DataFrame:
    """Judgments of invented items, PER_ITEM each by annotators drawn at random, which mostly agree."""
    generator, items = np.random.default_rng(0), np.arange(count) // JUDGMENTS_PER_ITEM
    first = generator.integers(annotators, size=items[-1] + 1)
    who = (first[items] + np.arange(count) % JUDGMENTS_PER_ITEM) % annotators
    columns = {"item": items.astype(str), "annotator": np.char.add("a", who.astype(str))}
    for question in QUESTIONS:
        codes = np.array(question.codes)
        agreed = generator.integers(len(codes), size=items[-1] + 1)[items]
        other = generator.integers(len(codes), size=count)
        columns[question.field] = codes[np.where(generator.random(count) < 0.7, agreed, other)]
    found = pd.DataFrame(columns)
    found.loc[found["presence"] != "present_described", "precision"] = ""
    found.loc[~found["presence"].str.startswith("present"), "category"] = ""
    return found


def measure_agreement(count: int, annotators: int) -> Measurement:
    """`python -m annotation agreement`, start to end."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "judgments.parquet"
        invent_answers(count, annotators).to_parquet(file)
        _, seconds, memory = run_child("-m", "annotation", "agreement", str(file), "--json")
    return {"judgments": count, "annotators": annotators, "seconds": seconds, "gigabytes": memory}


def invent_judgment(number: int) -> StoredJudgment:
    """One of many: heads of 126 layers, PER_ITEM annotators of a hundred an item."""
    item, when = number // JUDGMENTS_PER_ITEM, START_TIME + timedelta(seconds=number)
    block, head = divmod(item % (LAYERS * HEADS), HEADS)
    made = Judgment(
        judgment_id=f"j-{number}",
        study="s",
        model="m",
        layer=block,
        head=head,
        item_kind="head",
        annotator=f"a-{(item + 7 * (number % JUDGMENTS_PER_ITEM)) % 100}",
        presence="present_described",
        precision="accurate",
        category="general",
        comment="",
        started_at=when,
        submitted_at=when,
        seconds=30.0,
        supersedes=None,
        mapping_hash=f"{item:064x}",
        description_id=f"d-{item}",
        guidelines_version="1",
        form_version="1",
        app_version="0",
    )
    return StoredJudgment(made, when)


def result_and_seconds(run: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    found = run()
    return found, time.perf_counter() - start


def measure_journal(count: int) -> Measurement:
    people = tuple(Consent(f"a-{n}", START_TIME, "1") for n in range(100))
    rows = LedgerRows(tuple(invent_judgment(n) for n in range(count)), people, ())
    study = cast("Study", SimpleNamespace(name="s", keys={}))
    with tempfile.TemporaryDirectory() as folder:
        kept = Journal(Path(folder) / "journal.sqlite")
        _, restoring = result_and_seconds(lambda: kept.restore(rows, "0" * 40))
        _, places = result_and_seconds(lambda: kept.slot_holders(study))
        _, reading = result_and_seconds(lambda: kept.all_judgments("s"))
        _, unpublished = result_and_seconds(kept.unpublished_rows)
        size = (Path(folder) / "journal.sqlite").stat().st_size
        kept.close()
    return {
        "judgments": count,
        "restore_seconds": restoring,
        "places_seconds": places,
        "rows_seconds": reading,
        "unpublished_seconds": unpublished,
        "journal_bytes": size,
    }


def measure_ledger(count: int) -> Measurement:
    files, writing = result_and_seconds(lambda: files_from_rows([invent_judgment(n) for n in range(count)]))
    _, parsing = result_and_seconds(
        lambda: merge_rows(row for path, content in files.items() for row in parse_rows(path, content))
    )
    return {
        "judgments": count,
        "ledger_files": len(files),
        "ledger_bytes": sum(map(len, files.values())),
        "ledger_write_seconds": writing,
        "ledger_read_seconds": parsing,
    }


CHILD_PARTS: dict[str, Callable[[], Measurement]] = {  # in a process of its own, whose memory is told
    "layer": measure_layer,
    **{f"journal-{count}": lambda count=count: measure_journal(count) for count in JUDGMENT_COUNTS},  # type: ignore[misc]
    **{f"ledger-{count}": lambda count=count: measure_ledger(count) for count in JUDGMENT_COUNTS},  # type: ignore[misc]
}
PARTS: dict[str, Callable[[], Measurement]] = {
    **{name: lambda name=name: measure_in_child(name) for name in CHILD_PARTS},  # type: ignore[misc]
    "agreement-10000": lambda: measure_agreement(10**4, 100),
    "agreement-100000": lambda: measure_agreement(10**5, 100),
    "agreement-100000-by-400": lambda: measure_agreement(10**5, 400),
    "agreement-1000000": lambda: measure_agreement(10**6, 100),
}


def measure_in_child(name: str) -> Measurement:
    printed, _, memory = run_child("-m", "benchmarks.scaling", "--alone", name)
    return {**json.loads(printed), "gigabytes": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--alone", choices=CHILD_PARTS, help="measure one part in this process, print and keep nothing")
    arguments = parser.parse_args()
    if arguments.alone:
        print(json.dumps(CHILD_PARTS[arguments.alone]()))
        return
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in arguments.parts or PARTS:
        print(f"{name} …", file=sys.stderr)
        found[name] = PARTS[name]()
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")
        print(json.dumps(found[name], indent=2), file=sys.stderr)


if __name__ == "__main__":
    main()
