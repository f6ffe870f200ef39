"""Which of the paper's claims hold on a model: each with what the paper found, what was found here, and a verdict."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from maps.atlas.random_csv import random_rows
from maps.experiments.report.causal import LARGE, Losses, beside_controls, beside_random
from maps.experiments.report.correlation import CLOSE, CONTEXT
from maps.experiments.report.format import finished, percent
from maps.experiments.report.html import Part, Table
from maps.experiments.report.paper_figures import by_model
from maps.types import TAU

Rows = list[dict[str, Any]]
HOLDS, WEAKER, FAILS = "holds", "weaker", "does not hold"
CERTAIN = 0.01  # p-values under it count as a correlation
MOST = 0.9  # the share of relations that must correlate where a claim is to be weaker and not to fail
SMALL = 0.13  # the most of an accuracy that random heads cost in Pythia 12B (section 4.3)


class Claim(NamedTuple):
    """One claim: what is said, what the paper found, what was found here, and whether that bears it out."""

    said: str
    paper: str
    here: str
    verdict: str


def claims_part(folder: Path) -> Part | None:
    """The part that opens a report: all claims that the experiments in a folder can tell about."""
    found = [claim for read in (correlated, longer, removed, drawn) for claim in read(folder)]
    if not found:
        return None
    held = sum(claim.verdict == HOLDS for claim in found)
    table = Table("claims", "The paper's claims", ("Claim", "The paper", "Here", "Verdict"), found)
    said = [
        f"Of {len(found)} claims {held} hold in full.",
        "A correlation holds where its mean is as high as in the weakest published model, over the relations that both "
        f"have, and is weaker where at least {percent(MOST)} of the relations correlate. A claim about tasks holds "
        "where it is true of all of them, and is weaker where it is true of most.",
    ]
    return Part("Which of the paper's claims hold", said, [table])


def correlated(folder: Path) -> list[Claim]:
    """Static scores go with dynamic ones (section 4.2), at least as well as in the weakest published model."""
    result = finished(folder, "correlation")
    said = {
        "without_context": "A head's score goes with its outputs where it attends to the subject alone",
        "with_context": "… where it attends as it does in the sentence",
        "suppression_without_context": "Suppression likewise, attending to the subject alone",
        "suppression_with_context": "… attending as in the sentence",
    }
    return [] if result is None else [c for kind, words in said.items() for c in correlation(result.rows, kind, words)]


def correlation(rows: Rows, kind: str, said: str) -> list[Claim]:
    """One kind of correlation: its mean beside the published models', over the relations that both have."""
    known = [row for row in rows if row[kind] is not None]
    if not known:
        return []
    ours = {row["relation"]: row[kind] for row in known}
    theirs = []
    for figures in by_model("correlation").values():
        shared = [figures[name][kind] for name in ours if figures.get(name, {}).get(kind) is not None]
        theirs += [fmean(shared)] if shared else []
    certain = sum(row[kind] > 0 and row[f"{kind}_p"] is not None and row[f"{kind}_p"] < CERTAIN for row in known)
    mean, paper = fmean(ours.values()), "–"
    strong = bool(theirs) and round(mean, 2) >= round(min(theirs), 2)  # as they are shown
    if theirs:
        paper = f"mean r {min(theirs):.2f} to {max(theirs):.2f} in {len(theirs)} models"
    here = f"mean r {mean:.2f}; {certain} of {len(known)} relations correlate (p < {CERTAIN})"
    return [Claim(said, paper, here, HOLDS if strong else WEAKER if certain >= MOST * len(known) else FAILS)]


def longer(folder: Path) -> list[Claim]:
    """The scores tell about sources of several tokens too (section 4.4)."""
    result = finished(folder, "multi_token")
    known = [
        row
        for row in (result.rows if result else [])
        if all(row[name] is not None for kind in CONTEXT for name in (kind, f"single_{kind}"))
    ]
    if not known:
        return []
    close = sum(all(row[kind] >= row[f"single_{kind}"] - CLOSE for kind in CONTEXT) for row in known)
    lowest = min(row[kind] - row[f"single_{kind}"] for row in known for kind in CONTEXT)
    here = f"{close} of {len(known)} relations; r at most {max(0.0, -lowest):.2f} lower"
    paper = "6 of 9 models and relations; r at most 0.13 lower"
    verdict = HOLDS if 9 * close >= 6 * len(known) else WEAKER if close else FAILS
    return [Claim("Sources of several tokens correlate as well as single ones", paper, here, verdict)]


def removed(folder: Path) -> list[Claim]:
    """Removing a relation's heads impairs its task, more than random heads, and more than other tasks (section 4.3)."""
    result = finished(folder, "causal")
    rows = result.rows if result else []
    random, controls = beside_random(rows), beside_controls(rows)
    if not random.own:
        return []
    half, few = f"all lose over {percent(LARGE)}", f"all lose under {percent(SMALL)}"
    found = [
        compared("Removing a relation's heads costs its task more than removing random ones", random),
        threshold("It costs nearly half of the accuracy", half, [loss > LARGE for loss in random.own]),
        threshold("Random heads cost little", few, [loss < SMALL for loss in random.others]),
    ]
    if controls.own:
        found.append(compared("It costs the relation's task more than other tasks", controls))
    return found


def compared(said: str, losses: Losses) -> Claim:
    """In how many tasks the relation's own loss is the larger one."""
    means = f"{percent(fmean(losses.own))} against {percent(fmean(losses.others))}"
    here = f"{losses.larger} of {len(losses.own)} tasks; in the mean {means}"
    verdict = shared(losses.larger, len(losses.own))
    return Claim(said, "all tasks of Pythia 12B, 9 of 11 of Llama-3.1 8B", here, verdict)


def threshold(said: str, paper: str, holding: list[bool]) -> Claim:
    """Of how many tasks a limit holds."""
    many = sum(holding)
    return Claim(said, f"{paper}, in Pythia 12B", f"{many} of {len(holding)} tasks", shared(many, len(holding)))


def shared(many: int, of: int) -> str:
    """The verdict on a claim about every task: it holds in all, is weaker in most, or does not hold."""
    return HOLDS if many == of else WEAKER if 2 * many > of else FAILS


def drawn(folder: Path) -> list[Claim]:
    """The threshold tells trained heads from random ones (appendix on random baselines)."""
    rows = [row for row in random_rows(folder) if row["tau"] == TAU]
    if not rows or not rows[0]["trained_heads"]:
        return []
    trained, random = rows[0]["trained_heads"], rows[0]["random_heads"]
    paper = "none in five models; 5 beside 250 heads of GPT-2 xl"
    here = f"{random} beside {trained} heads of the model"
    verdict = HOLDS if 250 * random <= 5 * trained else WEAKER if 2 * random < trained else FAILS
    return [Claim(f"Random heads do not pass τ = {TAU}", paper, here, verdict)]
