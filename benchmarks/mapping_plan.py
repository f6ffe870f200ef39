"""How well `maps map --dry-run` foretells time and memory: `python -m benchmarks.mapping_plan [MODEL…]`.

Each model (the bundled one if none is named) is planned and then mapped in the paper's reading and in the recommended
one, with its calibration. The results are kept in `benchmarks/results/mapping_plan.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.map_speed import run_child

RESULTS = Path(__file__).parent / "results" / "mapping_plan.json"
PLAN_SCRIPT = """
import json, sys
from maps.experiments.mapping_plan import matmul_rate, plan_mapping
from maps.weights.open import open_checkpoint
plan, rate = plan_mapping(open_checkpoint(sys.argv[1]), sys.argv[2]), matmul_rate()
print(json.dumps({"seconds": plan.seconds(rate), "gigabytes": plan.memory_bytes / 1e9, "rate": rate}))
"""


def compare(model: str, reading: str, kept: Path | None) -> dict[str, Any]:
    """What was planned, what it took, and the ratios. The atlas stays in the folder `kept`, if there is one."""
    planned = json.loads(run_child("-c", PLAN_SCRIPT, model, reading)[0])
    with tempfile.TemporaryDirectory() as folder:
        options = ("--out", str((kept or Path(folder)) / reading), "--reading", reading)
        _, seconds, memory = run_child("-m", "maps", "map", model, *options)
    return {
        "model": Path(model).name,
        "reading": reading,
        "rate": planned["rate"],
        "planned_seconds": planned["seconds"],
        "seconds": seconds,
        "planned_gigabytes": planned["gigabytes"],
        "gigabytes": memory,
        "time_ratio": seconds / planned["seconds"],
        "memory_ratio": memory / planned["gigabytes"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["smollm2"])
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the atlases in this folder, by reading")
    options = parser.parse_args()
    models = options.models
    found = [compare(model, reading, options.keep) for model in models for reading in ("paper", "auto")]
    names = {Path(model).name for model in models}
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    rows = [row for row in kept if row["model"] not in names] + found
    RESULTS.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
