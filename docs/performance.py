"""Writes docs/performance.md from the kept results of the benchmarks: `python -m docs.performance`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.map_speed import speed_table

PAGE = Path(__file__).with_name("performance.md")
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
PAGE_START = """# Performance

All times were measured on two cores without a GPU. Ratios are measured inside one run, so they hold on other machines;
seconds vary. Each section names the command that repeats it. The results are kept in `benchmarks/results/`, and
`python -m docs.performance` writes this page from them. Larger models and studies: [scaling](scaling.md).
"""


def results(name: str) -> dict[str, Any]:
    """What a benchmark kept."""
    kept: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return kept


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def section(title: str, command: str, *paragraphs: str) -> str:
    """A section with the command that repeats its measurement."""
    return "\n".join([f"\n## {title}\n", f"    .venv/bin/python -m benchmarks.{command}\n", *paragraphs])


def mapping_section() -> str:
    """Mapping against the plain method, and larger models."""
    return section(
        "Mapping",
        "map_speed",
        "The plain method is the authors': ẽ W_VO at full width for every token, every source through all of U, then "
        "top-k. Both\nmethods run in one process; where they differ, the formula in float64 decides. The larger models "
        "have random weights.\nTwo of their layers are mapped, and the time for the whole model is the fixed part plus "
        "all layers at that rate.\n",
        speed_table(results("map_speed")),
    )


def newcomer_section() -> str:
    """What somebody waits who starts with the bundled model."""
    kept = results("end_to_end")
    rows = [
        ("map the bundled model", f"{kept['map_seconds']:.1f} s, {kept['map_gigabytes']:.1f} GB at most"),
        ("map it again (nothing to do)", f"{kept['map_again_seconds']:.1f} s"),
        ("describe all heads with the offline describer", f"{kept['describe_seconds']:.1f} s"),
        ("start the app, until its first page", f"{kept['app_seconds']:.1f} s"),
    ]
    return section("The bundled model, step by step", "end_to_end", markdown_table(("step", "time"), rows))


def explorer_section() -> str:
    """The app in a browser."""
    kept = results("explorer_speed")
    names = {"bundled": "bundled model", "5,120 heads": "a model of 5,120 heads", "both": "both"}
    lines = [
        ("server start", "server_start", "{:.1f} s"),
        ("first page usable, cold browser", "first_page_cold", "{:.2f} s"),
        ("a head opened in place, 95th percentile", "head_in_place_p95", "{:.2f} s"),
        ("a head opened by its link", "head_by_link", "{:.2f} s"),
        ("memory after 50 visitors at once", "memory_mb", "{:.0f} MB"),
        ("failed answers to these visitors", "visitors_bad_answers", "{}"),
    ]
    rows = [(label, *(form.format(kept[name][key]) for name in names)) for label, key, form in lines]
    return section(
        "The app",
        "explorer_speed",
        "The browser shares the two cores. Each of the 50 visitors opens every model's first page and ten heads.\n",
        markdown_table(("atlases shown", *names.values()), rows),
    )


def percentile_table(label: str, times: dict[str, dict[str, float]], unit: str, decimals: int) -> str:
    """Median and 95th percentile of each kind of request."""
    rows = [
        (kind, f"{each['p50']:.{decimals}f} {unit}", f"{each['p95']:.{decimals}f} {unit}")
        for kind, each in times.items()
    ]
    return markdown_table((label, "median", "95th percentile"), rows)


def search_section() -> str:
    """Searches."""
    kept = results("search_speed")
    return section(
        "Search",
        "search_speed",
        f"Over {kept['heads']:,} heads, HTML included. The index takes {kept['building_seconds']:.1f} s to build and "
        f"{kept['memory_mb']:.0f} MB.\n",
        percentile_table("search by", kept["milliseconds"], "ms", 0),
    )


def live_section() -> str:
    """Questions to the weights."""
    kept = results("probe_speed")
    return section(
        "Try it",
        "probe_speed",
        f"All 270 heads of the bundled model, asked through the app. The first question takes "
        f"{kept['first_seconds']:.0f} s, because the weights are\nloaded then; the process that answers uses "
        f"{kept['child_mb'] / 1000:.1f} GB.\n",
        percentile_table("question", kept["seconds"], "s", 2),
    )


def describing_section() -> str:
    """Asking a language model about many heads."""
    kept = results("describe_speed")
    return section(
        "Describing with a language model",
        "describe_speed",
        f"{kept['heads']:,} heads, {kept['concurrency']} at once, at a server that takes {kept['delay'] * 1000:.0f} ms "
        f"for each: {kept['seconds']:.1f} s, which is {kept['share']:.0%} of the\nideal throughput, with "
        f"{kept['cpu_ms']:.1f} ms of processor time for each question.\n",
    )


def experiments_section() -> str:
    """The paper's experiments against the plain way."""
    kept = results("experiments_speed")
    rows = [
        (f"{name}, {relation}", f"{each['seconds']:.1f} s", f"{each['plain']:.0f} s", f"{each['ratio']:.0f}")
        for name in ("correlation", "causal")
        for relation, each in kept[name]["relations"].items()
    ]
    return section(
        "Experiments",
        "experiments_speed",
        "The plain way runs the model anew for every prompt and every set of removed heads.\n",
        markdown_table(("experiment, relation", "time", "plain way", "times as fast"), rows),
    )


def study_section() -> str:
    """A study under load."""
    kept = results("study_load")
    load, steady, killed = kept["load"], kept["steady"], kept["killed"]
    rows = [
        ("answers submitted", f"{steady['submits']:,}", f"{killed['submits']:,}"),
        ("receipts without their row, or rows stored twice", "0", "0"),
        ("submits a second", f"{steady['submits_a_second']:.1f}", f"{killed['submits_a_second']:.1f}"),
        ("median wait for the receipt and the next item", f"{steady['p50_ms']:,} ms", f"{killed['p50_ms']:,} ms"),
        ("95th percentile", f"{steady['p95_ms']:,} ms", f"{killed['p95_ms']:,} ms"),
    ]
    return section(
        "A study under load",
        "study_load",
        f"{load['people']} annotators submit {load['each']} answers each without a pause, on {kept['cores']} cores "
        "that also run the annotators.\nThe benchmark fails where an acknowledged answer is missing or stored twice.\n",
        markdown_table(("", "undisturbed", f"server killed {killed['kills']} times"), rows),
    )


def large_study_section() -> str:
    """A study of many items with many judgments."""
    kept = results("study_large")
    lines: dict[str, Callable[[dict[str, Any]], str]] = {
        "first claim after the start": lambda run: f"{run['first_claim_s']:.2f} s",
        "submits a second, one annotator": lambda run: f"{run['alone']['submits_a_second']:.0f}",
        f"submits a second, {kept['people']} annotators": lambda run: f"{run['crowd']['submits_a_second']:.0f}",
        "refused requests a second, the most that the machine serves": lambda run: (
            f"{run['crowd']['refused_requests_a_second']:.0f}"
        ),
        "median wait, 95th percentile": lambda run: f"{run['crowd']['p50_ms']:,} ms, {run['crowd']['p95_ms']:,} ms",
        "organiser's page opened first, then with its answers counted": lambda run: (
            f"{run['first_opening_s']['shown']:.2f} s, {run['first_opening_s']['counted']:.1f} s"
        ),
        "organiser's page after a new answer": lambda run: f"{run['organiser_page_s']['after_a_new_answer']:.2f} s",
        "agreement page, computed for the first time": lambda run: f"{run['agreement_page_s']['first']:.1f} s",
        "agreement page after a new answer": lambda run: f"{run['agreement_page_s']['after_a_new_answer']:.2f} s",
        "memory of the app, then after these pages": lambda run: (
            f"{run['memory_mb']:,} MB, {run['memory_after_pages_mb']:,} MB"
        ),
    }
    header = ("judgments in the study", *(f"{run['judgments']:,}" for run in kept["runs"]))
    rows = [(name, *(words(run) for run in kept["runs"])) for name, words in lines.items()]
    return section(
        "A large study",
        "study_large",
        f"A study of {kept['items']:,} items; {kept['people']} annotators submit without a pause from the same "
        f"{kept['cores']} cores. Figures that take long\nare computed beside the pages, which show the last ones until "
        "then and say so.\n",
        markdown_table(header, rows),
    )


def agreement_section() -> str:
    """The agreement of many annotators."""
    kept = results("agreement_scale")
    rows = [
        (
            each["name"],
            f"{each['annotators']:,}",
            f"{each['items']:,}",
            f"{each['judgments']:,}",
            f"{each['seconds']:.1f} s ({each['cpu_seconds']:.1f} s)",
            f"{each['megabytes']} MB",
            f"{each['presence_kappas']['median'] + 0.0:.2f}",
            f"{each['pair_by_pair_seconds']:.0f} s",
        )
        for each in kept["designs"]
    ]
    header = ("table", "annotators", "items", "judgments", "time (processor)", "memory", "median kappa", "pair by pair")
    goal, least = kept["goal"], kept["least"]
    longest = max(each["json"]["longest_line"] for each in kept["designs"])
    printed = max(each["printed_kilobytes"] for each in kept["designs"])
    return section(
        "Agreement of many annotators",
        "agreement_scale",
        f"The whole command `annotation agreement`. 200,000 judgments of 500 annotators may take {goal['seconds']} s "
        f"and {goal['megabytes']} MB; a table of one\nitem takes {least['seconds']:.1f} s and {least['megabytes']} MB. "
        "The invented annotators agree with a kappa of 0.49, or of 0 where they give any\nanswer; the median of pairs "
        "is coarse where two annotators share few items. The processor time is what it takes on a quiet\nmachine; the "
        "time was measured beside other work. The last column is the processor time for the interval of every pair.\n"
        f"The command prints {printed} kB at most, and the longest line of its JSON has {longest} characters.\n",
        markdown_table(header, rows),
    )


def performance_page() -> str:
    """The page."""
    return PAGE_START + "".join(
        [
            mapping_section(),
            newcomer_section(),
            explorer_section(),
            search_section(),
            live_section(),
            describing_section(),
            experiments_section(),
            study_section(),
            large_study_section(),
            agreement_section(),
        ]
    )


def readme_rows() -> str:
    """The three rows of the README."""
    kernels, command = results("map_speed")["kernels"], results("map_speed")["command"]
    rows = [
        (
            "score 20 relations and their suppression on all 270 heads",
            f"{kernels['relations']['seconds']:.1f} s",
            f"{kernels['relations']['ratio']:.0f} × as fast as the plain method",
        ),
        (
            "find the salient mappings of all 270 heads",
            f"{kernels['mappings']['seconds']:.1f} s",
            f"{kernels['mappings']['ratio']:.1f} × as fast as the plain method",
        ),
        ("`maps map smollm2`, start to end", f"{command['seconds']:.0f} s", f"{command['gigabytes']:.1f} GB at most"),
    ]
    return markdown_table(("work, on two cores", "time", ""), rows)


if __name__ == "__main__":
    PAGE.write_text(performance_page(), encoding="utf-8")
    print(f"{PAGE} is written.", file=sys.stderr)
