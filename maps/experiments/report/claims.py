"""Which of the paper's claims hold on a model: each with what the paper found, what was found here, and a verdict."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from maps.atlas.random_csv import read_random_csv
from maps.experiments.report.causal import LARGE_LOSS, TaskLosses, losses_against_controls, losses_against_random
from maps.experiments.report.correlation import CONTEXT_LABELS, SIMILAR_DROP
from maps.experiments.report.format import format_percent
from maps.experiments.report.html import ReportPart, ReportTable
from maps.experiments.report.paper_figures import figures_by_model
from maps.experiments.results import Result
from maps.types import TAU

Rows = list[dict[str, Any]]
HOLDS, WEAKER, FAILS = "holds", "weaker", "does not hold"
CORRELATION_P_VALUE = 0.01  # p-values under it count as a correlation
WEAKER_SHARE = 0.9  # the share of relations that must correlate where a claim is to be weaker and not to fail
SMALL_LOSS = 0.13  # the most of an accuracy that random heads cost in Pythia 12B (section 4.3)


class PaperClaim(NamedTuple):
    """One claim: what is said, what the paper found, what was found here, and whether that bears it out."""

    statement: str
    paper_finding: str
    own_finding: str
    verdict: str


def claims_part(folder: Path) -> ReportPart | None:
    """The part that opens a report: all claims that the experiments in a folder can tell about."""
    found = [
        claim
        for read in (correlation_claims, multi_token_claims, causal_claims, random_baseline_claims)
        for claim in read(folder)
    ]
    if not found:
        return None
    held = sum(claim.verdict == HOLDS for claim in found)
    table = ReportTable("claims", "The paper's claims", ("Claim", "The paper", "Here", "Verdict"), found)
    said = [
        f"Of {len(found)} claims {held} hold in full.",
        "A correlation holds where its mean is as high as in the weakest published model, over the relations that both "
        f"have, and is weaker where at least {format_percent(WEAKER_SHARE)} of the relations correlate. A claim about tasks holds "
        "where it is true of all of them, and is weaker where it is true of most.",
    ]
    return ReportPart("Which of the paper's claims hold", said, [table])


def correlation_claims(folder: Path) -> list[PaperClaim]:
    """Static scores go with dynamic ones (section 4.2), at least as well as in the weakest published model."""
    result = Result.find(folder, "correlation")
    said = {
        "without_context": "A head's score goes with its outputs where it attends to the subject alone",
        "with_context": "… where it attends as it does in the sentence",
        "suppression_without_context": "Suppression likewise, attending to the subject alone",
        "suppression_with_context": "… attending as in the sentence",
    }
    return (
        []
        if result is None
        else [c for kind, words in said.items() for c in correlation_kind_claims(result.rows, kind, words)]
    )


def correlation_kind_claims(rows: Rows, kind: str, statement: str) -> list[PaperClaim]:
    """One kind of correlation: its mean beside the published models', over the relations that both have."""
    known = [row for row in rows if row[kind] is not None]
    if not known:
        return []
    ours = {row["relation"]: row[kind] for row in known}
    theirs = []
    for figures in figures_by_model("correlation").values():
        shared = [figures[name][kind] for name in ours if figures.get(name, {}).get(kind) is not None]
        theirs += [fmean(shared)] if shared else []
    certain = sum(
        row[kind] > 0 and row[f"{kind}_p"] is not None and row[f"{kind}_p"] < CORRELATION_P_VALUE for row in known
    )
    mean, paper = fmean(ours.values()), "–"
    strong = bool(theirs) and round(mean, 2) >= round(min(theirs), 2)  # as they are shown
    if theirs:
        paper = f"mean r {min(theirs):.2f} to {max(theirs):.2f} in {len(theirs)} models"
    here = f"mean r {mean:.2f}; {certain} of {len(known)} relations correlate (p < {CORRELATION_P_VALUE})"
    return [
        PaperClaim(
            statement, paper, here, HOLDS if strong else WEAKER if certain >= WEAKER_SHARE * len(known) else FAILS
        )
    ]


def multi_token_claims(folder: Path) -> list[PaperClaim]:
    """The scores tell about sources of several tokens too (section 4.4)."""
    result = Result.find(folder, "multi_token")
    known = [
        row
        for row in (result.rows if result else [])
        if all(row[name] is not None for kind in CONTEXT_LABELS for name in (kind, f"single_{kind}"))
    ]
    if not known:
        return []
    close = sum(all(row[kind] >= row[f"single_{kind}"] - SIMILAR_DROP for kind in CONTEXT_LABELS) for row in known)
    lowest = min(row[kind] - row[f"single_{kind}"] for row in known for kind in CONTEXT_LABELS)
    here = f"{close} of {len(known)} relations; r at most {max(0.0, -lowest):.2f} lower"
    paper = "6 of 9 models and relations; r at most 0.13 lower"
    verdict = HOLDS if 9 * close >= 6 * len(known) else WEAKER if close else FAILS
    return [PaperClaim("Sources of several tokens correlate as well as single ones", paper, here, verdict)]


def causal_claims(folder: Path) -> list[PaperClaim]:
    """Removing a relation's heads impairs its task, more than random heads, and more than other tasks (section 4.3)."""
    result = Result.find(folder, "causal")
    rows = result.rows if result else []
    random, controls = losses_against_random(rows), losses_against_controls(rows)
    if not random.own_losses:
        return []
    half, few = f"all lose over {format_percent(LARGE_LOSS)}", f"all lose under {format_percent(SMALL_LOSS)}"
    found = [
        comparison_claim("Removing a relation's heads costs its task more than removing random ones", random),
        threshold_claim(
            "It costs nearly half of the accuracy", half, [loss > LARGE_LOSS for loss in random.own_losses]
        ),
        threshold_claim("Random heads cost little", few, [loss < SMALL_LOSS for loss in random.other_losses]),
    ]
    if controls.own_losses:
        found.append(comparison_claim("It costs the relation's task more than other tasks", controls))
    return found


def comparison_claim(statement: str, losses: TaskLosses) -> PaperClaim:
    """In how many tasks the relation's own loss is the larger one."""
    means = f"{format_percent(fmean(losses.own_losses))} against {format_percent(fmean(losses.other_losses))}"
    here = f"{losses.larger_count} of {len(losses.own_losses)} tasks; in the mean {means}"
    verdict = verdict_on_tasks(losses.larger_count, len(losses.own_losses))
    return PaperClaim(statement, "all tasks of Pythia 12B, 9 of 11 of Llama-3.1 8B", here, verdict)


def threshold_claim(statement: str, paper: str, holding: list[bool]) -> PaperClaim:
    """Of how many tasks a limit holds."""
    many = sum(holding)
    return PaperClaim(
        statement, f"{paper}, in Pythia 12B", f"{many} of {len(holding)} tasks", verdict_on_tasks(many, len(holding))
    )


def verdict_on_tasks(holding: int, total: int) -> str:
    """The verdict on a claim about every task: it holds in all, is weaker in most, or does not hold."""
    return HOLDS if holding == total else WEAKER if 2 * holding > total else FAILS


def random_baseline_claims(folder: Path) -> list[PaperClaim]:
    """The threshold tells trained heads from random ones (appendix on random baselines)."""
    rows = [row for row in read_random_csv(folder) if row["tau"] == TAU]
    if not rows or not rows[0]["trained_heads"]:
        return []
    trained, random = rows[0]["trained_heads"], rows[0]["random_heads"]
    paper = "none in five models; 5 beside 250 heads of GPT-2 xl"
    here = f"{random} beside {trained} heads of the model"
    verdict = HOLDS if 250 * random <= 5 * trained else WEAKER if 2 * random < trained else FAILS
    return [PaperClaim(f"Random heads do not pass τ = {TAU}", paper, here, verdict)]
