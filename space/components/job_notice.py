"""What the app is working on, in one sentence for everybody."""

from __future__ import annotations

from space.components.markup import Html, anchor
from space.jobs.runner import JobRunner


def running_job_notice(jobs: JobRunner) -> Html:
    """The step of the running job and how far it is, with a link to the page of models; empty if no job runs."""
    job = jobs.running_job()
    step = job.current_step if job is not None else None
    if job is None or step is None:
        return Html("")
    progress = jobs.progress(job)
    count = f" ({progress.doing}: {progress.count_text})" if progress is not None and progress.total else ""
    doing = step.doing[0].lower() + step.doing[1:]
    return Html(
        '<p class="notice note" role="status">This app is working on a model now: {}{}. '
        "The result appears here by itself. {}</p>"
    ).format(doing, count, anchor("models", "Watch it on Models"))
