"""What mapping a model takes on this machine, told before it starts: from the headers of its weights and a measurement.

The work is that of its layers (`maps.mapping.work`) and, for a calibrated reading, that of the calibration: 2 T P
operations for the P weights of the model, run on T tokens, and two regressions a layer, each about 5 T d² and 40 d³.
`benchmarks.mapping_plan` compares plans with runs.
"""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from maps.experiments.auto_reading import BEST_READING
from maps.experiments.calibrate import TOKENS
from maps.experiments.calibration_streams import BLOCKS
from maps.mapping.reading import AUTO, Reading
from maps.mapping.work import SALIENT_TOKENS, operations_by_layer
from maps.text import pluralize
from maps.weights.checkpoint import Checkpoint
from maps.weights.gguf_file import GgufFile
from maps.weights.hub import HubBinFiles, RangedSafetensors
from maps.weights.shape import ModelShape

PROCESS_BYTES = 1.0e9  # of a process with torch, and its working memory
STARTUP_SECONDS = 4.0  # of a process with torch, until it has opened the weights
NARROW_WIDTH = 800  # in a model of this width, all other work of a run takes as long as its products
CALIBRATION_BYTES = 1.5e9  # of a calibration beside the weights
BYTES_OF_A_MAPPING = 90  # on disk, compressed, with all other tables: 1.4 MB of 270 heads with 60 mappings
WEIGHT_ENDINGS = (".safetensors", ".bin")
MATMUL_SIZE, MEASURED_SECONDS = 1536, 0.5


@dataclass(frozen=True)
class MappingPlan:
    """What mapping takes. Bytes to download are those that are not on this machine yet."""

    model: str
    architecture: str
    layers: int
    heads: int
    vocabulary: int
    reading: str
    download_bytes: int
    memory_bytes: int
    disk_bytes: int
    operations: float

    def seconds(self, rate: float) -> float:
        """About how long it takes on a machine that does `rate` operations a second in a product of matrices."""
        return STARTUP_SECONDS + self.operations / rate


@dataclass(frozen=True)
class Machine:
    """What this machine has to give now."""

    free_memory: int
    free_disk: int
    rate: float

    @classmethod
    def measure(cls, folder: Path) -> Machine:
        """Looks at the memory, at the disk of a folder, and multiplies matrices for half a second."""
        existing = next(path for path in (folder, *folder.resolve().parents) if path.exists())
        return cls(free_memory_bytes(), shutil.disk_usage(existing).free, matmul_rate())


def plan_mapping(checkpoint: Checkpoint, reading_name: str) -> MappingPlan:
    """The plan for all layers of a model in a reading; `auto` is planned as the best reading, with a calibration."""
    reading = BEST_READING if reading_name == AUTO else Reading.parse(reading_name)
    shape, source = checkpoint.shape, checkpoint.source
    parameters = sum(math.prod(source.shape(name)) for name in source.names())
    layers, is_calibrated = list(shape.layers_with_heads), reading.needs_calibration
    calibration = calibration_operations(shape, parameters) if is_calibrated else 0.0
    download = bytes_to_download(checkpoint, layers, is_calibrated)
    return MappingPlan(
        model=checkpoint.model,
        architecture=shape.architecture,
        layers=len(layers),
        heads=shape.heads,
        vocabulary=checkpoint.vocabulary.size,
        reading=str(reading),
        download_bytes=download,
        memory_bytes=int(memory_needed(checkpoint, parameters, is_calibrated)),
        disk_bytes=download + disk_needed(checkpoint, is_calibrated),
        operations=calibration + sum(operations_by_layer(checkpoint, reading, BLOCKS, layers)),
    )


def calibration_operations(shape: ModelShape, parameters: int) -> float:
    """What running a model on a calibration's tokens and fitting its maps takes, as operations in a plain product."""
    run = 2.0 * TOKENS * parameters
    fit = 2 * shape.layers * (5.0 * TOKENS * shape.width**2 + 40.0 * shape.width**3)
    return (run + fit) * (1 + NARROW_WIDTH / shape.width)


def memory_needed(checkpoint: Checkpoint, parameters: int, is_calibrated: bool) -> float:
    """The most bytes in memory: E, U and the rows of all tokens; a calibration needs the model in float32 first."""
    is_gguf = isinstance(checkpoint.source, GgufFile)  # whose tensors are unpacked to float32
    numbers = checkpoint.vocabulary.size * checkpoint.shape.width
    rows = numbers * (4 if is_gguf else 2) * (2 + (not checkpoint.is_tied))
    mapping = PROCESS_BYTES + rows + 4 * numbers * (1 + is_gguf + is_calibrated)
    return max(mapping, CALIBRATION_BYTES + 5.0 * parameters) if is_calibrated else mapping


def disk_needed(checkpoint: Checkpoint, is_calibrated: bool) -> int:
    """The bytes of the atlas, of a calibration, and of the streams that are kept while it is fitted."""
    shape = checkpoint.shape
    atlas = len(shape.layers_with_heads) * shape.heads * SALIENT_TOKENS * BYTES_OF_A_MAPPING
    return atlas + (sum(calibration_bytes(shape.layers, shape.width)) if is_calibrated else 0)


def calibration_bytes(layers: int, width: int) -> tuple[int, int]:
    """The bytes on disk of a calibration's streams while it is fitted, and of its maps."""
    streams = TOKENS * width * (2 * (layers + 1) + 4 * BLOCKS)  # in float16; attention's writes in float32
    maps = 2 * (layers - 1) * 2 * width**2  # in float16, from the blocks' rows and to the last layer
    return streams, maps


def bytes_to_download(checkpoint: Checkpoint, layers: list[int], is_run: bool) -> int:
    """What is fetched from the Hub: the tensors that mapping reads, and whole files where the model is run."""
    source = checkpoint.source
    if checkpoint.is_on_disk:
        return 0
    if isinstance(source, RangedSafetensors) and not is_run:
        entries = [source.entry(name) for name in checkpoint.needed_tensors(layers)]
        return sum(entry.stop - entry.start for entry in entries if entry is not None)
    if not isinstance(source, RangedSafetensors | HubBinFiles):
        return 0
    sizes, folder = source.snapshot.file_sizes, source.snapshot.folder
    return sum(size for file, size in sizes.items() if file.endswith(WEIGHT_ENDINGS) and not (folder / file).exists())


def free_memory_bytes() -> int:
    """The memory that is free for a new process: of the machine, or of the container that limits it."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines() if Path("/proc/meminfo").exists() else []
    kilobytes = next((int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), None)
    free = kilobytes * 1024 if kilobytes is not None else 8 << 30
    limit, used = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))
    if limit.exists() and (text := limit.read_text(encoding="ascii").strip()).isdecimal():
        free = min(free, int(text) - int(used.read_text(encoding="ascii")))
    return free


def matmul_rate() -> float:
    """Operations a second of this machine in a product of matrices in float32."""
    left, right = torch.rand(MATMUL_SIZE, MATMUL_SIZE), torch.rand(MATMUL_SIZE, MATMUL_SIZE)
    left @ right  # the first one starts the threads
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < MEASURED_SECONDS:
        left @ right
        count += 1
    return count * 2 * MATMUL_SIZE**3 / elapsed


def plan_sentences(plan: MappingPlan, machine: Machine) -> list[str]:
    """The plan in sentences for the terminal and the page of models."""
    heads = f"{plan.layers:,} layers of {pluralize(plan.heads, 'head')}"
    return [
        f"{plan.model} ({plan.architecture}): {heads}, vocabulary {plan.vocabulary:,}. Reading: {plan.reading}.",
        f"To download: {size_text(plan.download_bytes) if plan.download_bytes else 'nothing'}.",
        f"Memory: about {size_text(plan.memory_bytes)}; {size_text(machine.free_memory)} are free now.",
        f"Disk: about {size_text(plan.disk_bytes)}; {size_text(machine.free_disk)} are free.",
        f"Time on this machine: about {pluralize(math.ceil(plan.seconds(machine.rate) / 60), 'minute')}, from a "
        f"measurement of half a second ({machine.rate / 1e9:,.0f} billion operations a second).",
    ]


def size_text(size: int) -> str:
    """`850 MB`, `9.2 GB`."""
    return f"{max(1, round(size / 1e6)):,} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"


def misfit(plan: MappingPlan, machine: Machine) -> str:
    """Why the model does not fit on this machine, and what to do, in one sentence; empty if it does."""
    if plan.memory_bytes > machine.free_memory:
        remedy = " or choose a reading without a calibration" if Reading.parse(plan.reading).needs_calibration else ""
        return (
            f"{plan.model} does not fit here: mapping takes about {size_text(plan.memory_bytes)} of memory, and "
            f"{size_text(machine.free_memory)} are free. Use a larger machine{remedy}."
        )
    if plan.disk_bytes > machine.free_disk:
        return (
            f"{plan.model} does not fit here: mapping takes about {size_text(plan.disk_bytes)} of disk, and "
            f"{size_text(machine.free_disk)} are free. Free some space."
        )
    return ""
