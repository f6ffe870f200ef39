"""The page of models as HTML: the table of models, and the jobs of the app."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow.compute as pc

from annotation.study.store import load_studies
from maps.atlas.reader import Atlas
from maps.atlas.schema import Row, head_of
from maps.describers.names import OFFLINE, REFERENCE
from maps.text import pluralize
from space.atlases import cache
from space.atlases.shown import is_unfinished
from space.components.links import link_to_model, link_to_new_study
from space.components.markup import (
    Html,
    anchor,
    head_link,
    join_html,
    notice,
    table,
    with_chips,
)
from space.jobs.job import Job, Progress, State
from space.jobs.runner import JobRunner
from space.services import Services

LOG_LINES = 6
ANSWERS_SHOWN = 20
FINISHED_JOBS = 10  # shown, newest first
ACTIONS = {  # of the buttons on a job, by its state
    State.QUEUED: (("pause", "Pause"), ("cancel", "Cancel")),
    State.RUNNING: (("pause", "Pause"), ("cancel", "Cancel")),
    State.PAUSED: (("resume", "Go on"), ("cancel", "Cancel")),
    State.FAILED: (("resume", "Try again"),),
}
SHORT_NAMES = {OFFLINE: "Rules", REFERENCE: "Reference"}


def models_table(services: Services) -> Html:
    """Every model that is shown: its size, who described it, the evidence, and the studies."""
    header = ("Model", "Size", "Described by", "Evidence", "Studies")
    studies = load_studies(services.data_folder / "studies").values()
    rows = [
        (
            model_cell(atlas),
            size_cell(atlas),
            described_cell(atlas),
            evidence_cell(atlas),
            f"{sum(study.settings.model == name for study in studies):,}",
        )
        for name, atlas in services.atlases.items()
    ]
    return table(header, rows, "The models that are here")


def model_cell(atlas: Atlas) -> Html:
    link = anchor(link_to_model(atlas.model), atlas.model)
    if not is_unfinished(atlas):
        return Html("{}<br><small>{}</small>").format(link, atlas.info["architecture"])
    done, total = len(atlas.sizes.layers), int(atlas.info["unfinished"])
    return Html("{}<br><small>being mapped: {:,} of {:,} layers so far</small>").format(link, done, total)


def size_cell(atlas: Atlas) -> Html:
    info = atlas.info
    return Html("{:,} layers of {:,} heads<br><small>vocabulary {:,}, width {:,}</small>").format(
        info["layers"], info["heads"], info["vocabulary"], info["width"]
    )


def described_cell(atlas: Atlas) -> Html:
    """The describers, each with how many heads it described and in how many it sees a pattern."""
    lines = [
        f"{SHORT_NAMES.get(name, name)}: {pluralize(len(heads), 'head')}, a pattern in "
        f"{sum(pattern for pattern, _ in heads.values()):,}"
        for name, heads in cache.descriptions_by_describer(atlas).items()
    ]
    return Html("<br>").join(lines) if lines else Html("–")


def evidence_cell(atlas: Atlas) -> Html:
    """Which evidence was measured for the descriptions."""
    rows = atlas.table("scores", ["scorer", "detection", "generation"])
    judges = set(rows.filter(pc.is_valid(rows["detection"]))["scorer"].to_pylist())
    lines = ["named checks"] if atlas.has_table("checks") else []
    lines += [f"mappings recognised by {judge}" for judge in sorted(judges)]
    lines += ["predicted mappings"] if rows["generation"].null_count < len(rows) else []
    return Html("<br>").join(lines) if lines else Html("–")


def jobs_html(runner: JobRunner, jobs: Sequence[Job]) -> Html:
    """The jobs that are not over, in order, then those that are, newest first."""
    unfinished = [job for job in jobs if job.state.is_unfinished]
    over = [job for job in reversed(jobs) if not job.state.is_unfinished]
    cards = join_html(job_card(runner, job) for job in unfinished) or notice("No job is running.")
    if not over:
        return cards
    shown = join_html(job_card(runner, job) for job in over[:FINISHED_JOBS])
    left_out = len(over) - FINISHED_JOBS
    more = Html("<p>{} are not listed.</p>").format(pluralize(left_out, "older job")) if left_out > 0 else Html("")
    is_open = Html(" open") if over[0].state is State.FAILED else Html("")
    return cards + Html("<details{}><summary>Earlier jobs ({:,})</summary>{}{}</details>").format(
        is_open, len(over), shown, more
    )


def job_card(runner: JobRunner, job: Job) -> Html:
    """A job with how far it is, the buttons that apply to it, and the last lines that it has printed."""
    buttons = join_html(
        Html('<button type="button" data-job="{}" data-act="{}">{}</button>').format(job.job_id, act, label)
        for act, label in ACTIONS.get(job.state, ())
    )
    lines = "\n".join(runner.log_lines(job, LOG_LINES))
    log = Html("<details><summary>Last lines of the log</summary><pre>{}</pre></details>").format(lines)
    card = Html('<section class="job job-{state}" aria-label="{title}"><h3>{title}</h3><p>{words}</p>{rest}</section>')
    return card.format(
        state=job.state.value,
        title=job.title,
        words=job_words(job),
        rest=join_html((progress_html(runner.progress(job)), buttons, log if lines else "")),
    )


def job_words(job: Job) -> str:
    """The state of a job in one or two sentences."""
    step, words = job.current_step, job.state.value.capitalize()
    if job.state is State.QUEUED:
        words = "Waiting for its turn"
    if job.state is State.RUNNING and step is not None:
        words = f"Step {job.finished_steps + 1} of {len(job.steps)}: {step.doing[0].lower()}{step.doing[1:]}"
    if job.state is State.DONE and job.ended_at is not None:
        words = f"Done at {job.ended_at:%Y-%m-%d %H:%M UTC}"
    return f"{words}. {job.message}".rstrip()


def progress_html(progress: Progress | None) -> Html:
    """A bar with what it counts and the time left."""
    if progress is None or not progress.total:
        return Html("")
    left = "" if progress.seconds_left is None else f", about {duration_text(progress.seconds_left)} left"
    return Html(
        '<p class="job-progress"><progress max="{:g}" value="{:g}" aria-label="{}"></progress> {}: {}{}</p>'
    ).format(progress.total, progress.done, progress.doing, progress.doing, progress.count_text, left)


def duration_text(seconds: float) -> str:
    """`40 seconds`, `12 minutes`, `3 hours`: rounded as people say it."""
    if seconds < 90:
        return pluralize(max(1, round(seconds)), "second")
    if seconds < 90 * 60:
        return pluralize(round(seconds / 60), "minute")
    return pluralize(round(seconds / 3600), "hour")


def answers_html(atlas: Atlas, describer: str) -> Html:
    """The newest descriptions of a describer, what the rest would cost, and where it failed."""
    rows = [row for row in atlas.descriptions() if row["describer"] == describer]
    rows.sort(key=lambda row: row["created_at"], reverse=True)
    if not rows:
        return notice(f"{describer} has not described a head of {atlas.model} yet.") + failures_html(atlas, describer)
    header = ("Head", "Input strings", "Observed pattern")
    lines = [
        (head_link(atlas.model, head_of(row)), with_chips(row["input_strings"]), with_chips(row["observed_pattern"]))
        for row in rows[:ANSWERS_SHOWN]
    ]
    shown = table(header, lines, f"Newest descriptions by {describer}")
    study = Html("<p>{}</p>").format(
        anchor(link_to_new_study(atlas.model, describer), "Start a study of these descriptions")
    )
    return notice(cost_sentence(atlas, rows)) + shown + failures_html(atlas, describer) + study


def cost_sentence(atlas: Atlas, rows: Sequence[Row]) -> str:
    """How many heads are described, and what the others would cost at the price so far."""
    left, costs = len(atlas.head_ids) - len(rows), [row["cost_usd"] for row in rows if row["cost_usd"] is not None]
    words = f"{pluralize(len(rows), 'head')} described, {left:,} left."
    if not costs or not left:
        return words
    mean = sum(costs) / len(costs)
    return (
        f"{words} They cost ${sum(costs):,.4f} so far; at this rate, the others would cost about ${mean * left:,.2f}."
    )


def failures_html(atlas: Atlas, describer: str) -> Html:
    """The heads that a describer failed on and has not described since, with the reasons."""
    described = {head_of(row) for row in atlas.descriptions() if row["describer"] == describer}
    rows = [row for row in atlas.table("failures").to_pylist() if row["describer"] == describer]
    reasons = {head_of(row): row["reason"] for row in sorted(rows, key=lambda row: row["created_at"])}
    lines = [(head_link(atlas.model, head), reason) for head, reason in reasons.items() if head not in described]
    if not lines:
        return Html("")
    hint = notice("“Describe all heads” asks about these heads again.")
    return table(("Head", "Why it has no description"), lines, f"Heads on which {describer} failed") + hint
