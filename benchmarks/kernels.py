"""The three hot computations on the bundled model against the plain method, in one process, and who is right.

Ours runs on all heads, the plain method on some, taken in turn; a ratio is of their median times for a head. Where the
two differ, the plain formula in float64 decides, and the benchmark fails if ours was wrong.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import plain
from maps.data import predefined_relations
from maps.heads.circuit import saliency, skewness
from maps.heads.output_space import output_space_sizes
from maps.heads.relation_scores import find_layer_hits
from maps.heads.salient_tokens import SalientCounts, SalientMappings, find_salient_mappings
from maps.heads.sources import Sources
from maps.heads.unembedding import Unembedding
from maps.mapping.model import Model

PLAIN_HEADS = ((0, 4), (5, 1), (11, 3), (14, 0), (19, 8), (23, 2), (28, 7))  # heads of the plain method
OUTPUT_SPACE_LAYERS = (11, 28)  # layers of which the output space is timed, all heads
ROUNDS = 3


def seconds_and_result(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = run()
    return time.perf_counter() - start, found


def count_operations(run: Callable[[], Any]) -> int:
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def multiplication_rate(dtype: torch.dtype) -> float:
    """Operations a second of the machine's own matrix product, the best of five.

    The product of int8 is smaller: without instructions for it, torch multiplies a thousand times more slowly.
    """
    size = 1024 if dtype == torch.int8 else 4096
    a = torch.ones(size, size, dtype=dtype)
    multiply = torch._int_mm if dtype == torch.int8 else torch.mm
    multiply(a, a)
    return 2 * size**3 / min(seconds_and_result(lambda: multiply(a, a))[0] for _ in range(5))


class KernelBench:
    """The bundled model's first layers in memory, for both methods; weights are read before any clock runs."""

    def __init__(self, layers: int | None = None) -> None:
        self.model = Model.open("smollm2")
        self.layers = [self.model.layer(layer).heads for layer in range(layers or self.model.shape.layers)]
        self.pairs, columns = self.model.usable_pairs(predefined_relations()), self.model.unembedding
        self.unembedding = columns.rows[columns.row_of_token].float()
        self.heads = sum(len(heads.outputs) for heads in self.layers)
        self.exact_rows: dict[bool, Tensor] = {}

    def sources(self, layer: int) -> Sources:
        return self.model.sources(layer)

    def plain_head(self, layer: int, head: int, dtype: torch.dtype = torch.float32) -> plain.FullWidthHead:
        """A head as the plain method knows it; in float64 Ẽ is computed in float64 too."""
        heads, sources = self.layers[layer], self.sources(layer)
        every = torch.arange(len(sources))
        rows = sources.rows.rows(every)
        if dtype == torch.float64:
            rows = self.exact_rows.setdefault(bool(layer), sources.exact_rows(every))
        value, output = heads.values[head // heads.group_size].to(dtype), heads.outputs[head].to(dtype)
        return plain.FullWidthHead(rows, self.unembedding.to(dtype), value, output)

    def compute_relation_hits(self) -> list[tuple[Tensor, Tensor]]:
        pairs, columns = self.pairs, Unembedding.from_tensor(self.unembedding)
        return [
            find_layer_hits(pairs, self.sources(layer), heads.to_float64(), columns)
            for layer, heads in enumerate(self.layers)
        ]

    def compute_mappings(self) -> list[SalientMappings]:
        found = []
        for layer, heads in enumerate(self.layers):
            sources, exact = self.sources(layer), heads.to_float64()
            sigma = saliency(sources, heads)
            for row in sigma:
                skewness(row)
            found.append(
                find_salient_mappings(sources, sigma, exact, exact, self.model.unembedding, SalientCounts(heldout=0))
            )
        return found

    def compute_output_spaces(self, layer: int) -> list[float]:
        return output_space_sizes(self.sources(layer), self.layers[layer].to_float64(), self.model.unembedding)


def measure(quick: bool = False) -> dict[str, Any]:
    """All three, and the machine's rates; `quick`: the first layer and one of its heads by the plain method, once."""
    bench, some, rounds = (KernelBench(layers=1), PLAIN_HEADS[:1], 1) if quick else (KernelBench(), PLAIN_HEADS, ROUNDS)
    layers: Sequence[int] = (0,) if quick else OUTPUT_SPACE_LAYERS
    single, eight = multiplication_rate(torch.float32), multiplication_rate(torch.int8)
    found: dict[str, Any] = {"float32_rate": single, "int8_rate": eight, "threads": torch.get_num_threads()}
    found["relations"] = compare_methods(bench, RELATION_METHOD, some, rounds, single)
    found["mappings"] = compare_methods(bench, MAPPING_METHOD, some, rounds, single)
    found["output_space"] = compare_output_spaces(bench, layers, eight)
    return found


class KernelMethod(NamedTuple):
    """A computation: ours on all heads, the plain method on one, and whether the two agree on that head."""

    ours: Callable[[KernelBench], Any]
    theirs: Callable[[KernelBench, int, int, torch.dtype], Any]
    agree: Callable[[Any, Any, int, int], bool]


def compare_methods(
    bench: KernelBench, method: KernelMethod, plain_heads: Sequence[tuple[int, int]], rounds: int, machine_rate: float
) -> dict[str, Any]:
    """Ours on all heads and the plain method on some, in turn; what the plain one gave is compared with ours."""
    own, other, differing = [], [], 0
    for turn in range(rounds):
        seconds, result = seconds_and_result(lambda: method.ours(bench))
        own.append(seconds)
        for layer, head in plain_heads:
            seconds, expected = seconds_and_result(lambda: method.theirs(bench, layer, head, torch.float32))  # noqa: B023
            other.append(seconds)
            differing += turn == 0 and differs(bench, method, result, expected, layer, head)
    done = count_operations(lambda: method.ours(bench))
    seconds = median(own)
    return {
        "seconds": seconds,
        "plain_seconds_a_head": median(other),
        "ratio": median(other) * bench.heads / seconds,
        "operations": done,
        "share": done / seconds / machine_rate,
        "heads_where_plain_float32_is_wrong": f"{differing} of {len(plain_heads)}",
    }


def differs(bench: KernelBench, method: KernelMethod, ours: Any, theirs: Any, layer: int, head: int) -> bool:
    """Whether the plain method in float32 gave something else; ends the benchmark where float64 does so too."""
    if method.agree(ours, theirs, layer, head):
        return False
    if not method.agree(ours, method.theirs(bench, layer, head, torch.float64), layer, head):
        raise SystemExit(f"L{layer}H{head}: ours differs from the plain formula in float64.")
    return True


def plain_relations(bench: KernelBench, layer: int, head: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    pairs = bench.pairs
    return plain.relation_hits(bench.plain_head(layer, head, dtype), pairs.sources, pairs.targets, pairs.k)


def check_relations(ours: Any, theirs: tuple[Tensor, Tensor], layer: int, head: int) -> bool:
    return all(torch.equal(mine[head], other) for mine, other in zip(ours[layer], theirs, strict=True))


def plain_mappings(bench: KernelBench, layer: int, head: int, dtype: torch.dtype) -> plain.PlainMappings:
    return plain.mappings(bench.plain_head(layer, head, dtype))


def check_mappings(ours: Any, theirs: plain.PlainMappings, layer: int, head: int) -> bool:
    mine: SalientMappings = ours[layer]
    same = torch.equal(mine.sources[head], theirs.tokens) and torch.equal(
        mine.highest_targets.ids[head], theirs.targets
    )
    return same and abs(float(mine.kurtosis[head]) - theirs.kurtosis) <= 1e-4 * theirs.kurtosis


RELATION_METHOD = KernelMethod(KernelBench.compute_relation_hits, plain_relations, check_relations)
MAPPING_METHOD = KernelMethod(KernelBench.compute_mappings, plain_mappings, check_mappings)


def compare_output_spaces(bench: KernelBench, layers: Sequence[int], machine_rate: float) -> dict[str, Any]:
    """Output space size a head: ours, the plain method at full width, and the plain low-rank one, in turn."""
    unit = bench.unembedding / bench.unembedding.norm(dim=1, keepdim=True)
    own, full, low, wrong = [], [], [], 0
    for layer in layers:
        seconds, sizes = seconds_and_result(lambda: bench.compute_output_spaces(layer))  # noqa: B023
        own.append(seconds / len(sizes))
        head = bench.plain_head(layer, 0)
        seconds, _ = seconds_and_result(lambda: plain.best_targets(head, unit, low_rank=False))  # noqa: B023
        full.append(seconds)
        seconds, best = seconds_and_result(lambda: plain.best_targets(head, unit, low_rank=True))  # noqa: B023
        low.append(seconds)
        if round(sizes[0] * len(unit)) != len(best.unique()):
            wrong += 1
            exact = bench.plain_head(layer, 0, torch.float64)
            doubles = exact.unembedding / exact.unembedding.norm(dim=1, keepdim=True)
            if round(sizes[0] * len(unit)) != len(plain.best_targets(exact, doubles, low_rank=True).unique()):
                raise SystemExit(f"L{layer}H0: our output space differs from the plain formula in float64.")
    seconds, width = median(own), bench.layers[0].outputs.shape[1]
    done = 2 * len(unit) ** 2 * width
    return {
        "seconds": seconds,
        "plain_seconds_a_head": median(full),
        "low_rank_seconds_a_head": median(low),
        "ratio": median(full) / seconds,
        "ratio_low_rank": median(low) / seconds,
        "operations": done,
        "share": done / seconds / machine_rate,
        "heads_where_plain_float32_is_wrong": f"{wrong} of {len(layers)}",
    }


if __name__ == "__main__":
    print(json.dumps(measure(quick="--quick" in sys.argv)))
