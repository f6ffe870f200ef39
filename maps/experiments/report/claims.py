"""Which of the paper's claims hold on a model: for each, the paper's finding, our finding and a verdict."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from maps.atlas.random_csv import read_random_csv
from maps.experiments.report import cells
from maps.experiments.report.causal import LARGE_LOSS, TaskLosses, compared_losses
from maps.experiments.report.correlation import CONTEXT_LABELS, SIMILAR_DROP
from maps.experiments.report.html import ReportPart, ReportTable
from maps.experiments.results import Result
from maps.figures.style import Rows
from maps.text import pluralize
from maps.types import TAU

HOLDS, WEAKER, FAILS = "holds", "weaker", "does not hold"
CORRELATION_P_VALUE = 0.01  # a relation correlates when r > 0 and p is lower than this
WEAKER_SHARE = 0.9  # a claim is weaker, not false, when at least this share of the relations correlate
SMALL_LOSS = 0.13  # random heads cost at most this share of the accuracy in Pythia 12B (section 4.3)
CORRELATION_CLAIMS = {
    "without_context": "Static and dynamic scores correlate when heads attend to the subject alone",
    "with_context": "… when heads attend as in the sentence",
    "suppression_without_context": "Static and dynamic suppression correlate when heads attend to the subject alone",
    "suppression_with_context": "… when heads attend as in the sentence",
}
PAPER_TASKS = "all tasks of Pythia 12B, 9 of 11 of Llama-3.1 8B"


class PaperClaim(NamedTuple):
    """One claim with the paper's finding, our finding and the verdict; a row of the table."""

    statement: str
    paper_finding: str
    own_finding: str
    verdict: str


def claims_part(folder: Path) -> ReportPart | None:
    """The first part of a report: all claims that the finished experiments in a folder can decide."""
    claims = [*correlation_claims(folder), *multi_token_claims(folder)]
    claims += [*causal_claims(folder), *random_baseline_claims(folder)]
    if not claims:
        return None
    held = sum(claim.verdict == HOLDS for claim in claims)
    table = ReportTable("claims", "The paper's claims", ("Claim", "The paper", "Here", "Verdict"), claims)
    sentences = [
        f"{held} of {pluralize(len(claims), 'claim')} {'holds' if held == 1 else 'hold'} in full.",
        "A claim about a correlation holds when the mean is as high as in the weakest published model, over the "
        f"relations that both have; it is weaker when at least {cells.percent(WEAKER_SHARE)} of the relations "
        "correlate. A claim about tasks holds when it is true of all of them; it is weaker when it is true of most.",
    ]
    return ReportPart("Which of the paper's claims hold", sentences, [table])


def result_rows(folder: Path, experiment: str) -> Rows:
    """The rows of an experiment; none when it is not finished."""
    result = Result.find(folder, experiment)
    return result.rows if result else []


def correlation_claims(folder: Path) -> list[PaperClaim]:
    """Static scores correlate with dynamic ones (section 4.2), at least as well as in the weakest published model."""
    rows = result_rows(folder, "correlation")
    claims = [correlation_claim(rows, kind, statement) for kind, statement in CORRELATION_CLAIMS.items()]
    return [claim for claim in claims if claim is not None]


def correlation_claim(rows: Rows, kind: str, statement: str) -> PaperClaim | None:
    """One kind of correlation: its mean, compared with the published models over the relations that both have."""
    known = [row for row in rows if row[kind] is not None]
    if not known:
        return None
    values = {row["relation"]: row[kind] for row in known}
    mean, published_means = fmean(values.values()), []
    for figures in cells.figures_by_model("correlation").values():
        shared = [figures[name][kind] for name in values if figures.get(name, {}).get(kind) is not None]
        if shared:
            published_means.append(fmean(shared))
    correlating = sum(
        row[kind] > 0 and row[f"{kind}_p"] is not None and row[f"{kind}_p"] < CORRELATION_P_VALUE for row in known
    )
    paper, verdict = "–", WEAKER if correlating >= WEAKER_SHARE * len(known) else FAILS
    if published_means:
        lowest, highest = min(published_means), max(published_means)
        paper = f"mean r {lowest:.2f} to {highest:.2f} in {len(published_means)} models"
        if round(mean, 2) >= round(lowest, 2):  # as they are shown
            verdict = HOLDS
    here = f"mean r {mean:.2f}; {correlating} of {len(known)} relations correlate (p < {CORRELATION_P_VALUE})"
    return PaperClaim(statement, paper, here, verdict)


def multi_token_claims(folder: Path) -> list[PaperClaim]:
    """The scores hold for sources of several tokens too (section 4.4)."""
    known = [
        row
        for row in result_rows(folder, "multi_token")
        if all(row[name] is not None for kind in CONTEXT_LABELS for name in (kind, f"single_{kind}"))
    ]
    if not known:
        return []
    close = sum(all(row[kind] >= row[f"single_{kind}"] - SIMILAR_DROP for kind in CONTEXT_LABELS) for row in known)
    largest = max(row[f"single_{kind}"] - row[kind] for row in known for kind in CONTEXT_LABELS)
    here = f"{close} of {len(known)} relations; r at most {max(0.0, largest):.2f} lower"
    paper = "6 of 9 pairs of model and relation; r at most 0.13 lower"
    verdict = FAILS
    if close:
        verdict = HOLDS if 9 * close >= 6 * len(known) else WEAKER
    return [PaperClaim("Sources of several tokens correlate as well as single tokens", paper, here, verdict)]


def causal_claims(folder: Path) -> list[PaperClaim]:
    """Removing a relation's heads hurts its task, more than removing random heads, and more than other tasks."""
    rows = result_rows(folder, "causal")
    random, controls = compared_losses(rows)
    if not random.own_losses:
        return []
    large = [loss > LARGE_LOSS for loss in random.own_losses]
    small = [loss < SMALL_LOSS for loss in random.other_losses]
    all_large, all_small = f"all lose over {cells.percent(LARGE_LOSS)}", f"all lose under {cells.percent(SMALL_LOSS)}"
    claims = [
        comparison_claim("Removing a relation's heads hurts its task more than removing random heads", random),
        threshold_claim("It costs the task nearly half of its accuracy", all_large, large),
        threshold_claim("Removing random heads costs little", all_small, small),
    ]
    if controls.own_losses:
        claims.append(comparison_claim("Removing a relation's heads hurts its task more than other tasks", controls))
    return claims


def comparison_claim(statement: str, losses: TaskLosses) -> PaperClaim:
    """In how many tasks the own loss is the larger one."""
    means = f"{cells.percent(fmean(losses.own_losses))} against {cells.percent(fmean(losses.other_losses))}"
    here = f"{losses.larger_count} of {len(losses.own_losses)} tasks; on average {means}"
    verdict = verdict_on_tasks(losses.larger_count, len(losses.own_losses))
    return PaperClaim(statement, PAPER_TASKS, here, verdict)


def threshold_claim(statement: str, paper: str, holding: list[bool]) -> PaperClaim:
    count, total = sum(holding), len(holding)
    here = f"{count} of {total} tasks"
    return PaperClaim(statement, f"{paper}, in Pythia 12B", here, verdict_on_tasks(count, total))


def verdict_on_tasks(holding: int, total: int) -> str:
    """A claim about tasks holds when it is true of all of them, and is weaker when it is true of most."""
    if holding == total:
        return HOLDS
    return WEAKER if 2 * holding > total else FAILS


def random_baseline_claims(folder: Path) -> list[PaperClaim]:
    """The threshold separates trained heads from random ones (appendix on random baselines)."""
    rows = [row for row in read_random_csv(folder) if row["tau"] == TAU]
    if not rows or not rows[0]["trained_heads"]:
        return []
    trained, random = rows[0]["trained_heads"], rows[0]["random_heads"]
    paper = "none in five models; 5 random and 250 trained heads in GPT-2 xl"
    here = f"{random} random and {trained} trained heads"
    verdict = FAILS
    if 2 * random < trained:
        verdict = HOLDS if 250 * random <= 5 * trained else WEAKER
    return [PaperClaim(f"Random heads do not pass τ = {TAU}", paper, here, verdict)]
