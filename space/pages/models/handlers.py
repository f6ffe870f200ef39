"""What organisers can do on the page of models. Every handler but the page's load runs through `for_organisers`."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr

from maps.atlas.reader import Atlas
from maps.data import parse_relation
from maps.describers.written import store_written
from maps.errors import MapsError
from maps.files.atomic import write_file
from maps.mapping.reading import AUTO
from space.atlases.names import PREBUILT_FOLDER
from space.atlases.shown import is_unfinished
from space.components.job_notice import running_job_notice
from space.components.markup import Html, join_html, notice
from space.jobs import recipes
from space.jobs.job import JobRequest, State
from space.jobs.recipes import HubMachine, ModelRequest, ServerRequest
from space.pages.models import view
from space.pages.models.layout import ModelsPage
from space.pages.try_it.question import split_pair
from space.services import Services
from space.web.errors import show_errors
from space.web.sessions import Annotator, identify_organiser
from space.web.updates import Inputs, Updates

MAX_PAIRS = 20_000  # of an own relation
ORGANISERS_HINT = Html('<p class="hint">Organisers add models here once they are <a href="organise">signed in</a>.</p>')
STARTED_MESSAGE = "The job is in the list above. You can leave this page; it goes on."


def page_load_handler(page: ModelsPage) -> Any:
    """The page's load: the list for everybody, the jobs for organisers."""

    def open_models_page(inputs: dict[Any, Any], request: gr.Request) -> Any:
        if identify_organiser(page.services, inputs[page.organiser_token], request) is None:
            shown = models_html(page.services) + ORGANISERS_HINT
            return {page.models: shown, page.content_column: gr.update(visible=False)}
        return page_updates(page) | {page.content_column: gr.update(visible=True)} | head_in_address(page, request)

    return show_errors(open_models_page)


def head_in_address(page: ModelsPage, request: gr.Request) -> Updates:
    """Opens the tab of one head for the head in the address, to which its own page links."""
    query = request.query_params
    if not query.get("head"):
        return {}
    fields = page.head.fields
    return {
        page.tabs: gr.update(selected="head"),
        fields["atlas"]: gr.update(value=query.get("model")),
        fields["head"]: gr.update(value=query["head"]),
    }


def page_updates(page: ModelsPage) -> Updates:
    """The list of models, the jobs, and the timer, which runs while a job does, or while jobs are read from the Hub."""
    services = page.services
    jobs, names = services.jobs.store.all_jobs(), list(services.atlases)
    finished = [name for name in names if not is_unfinished(services.atlases[name])]
    is_changing = bool(services.jobs.off_reason) or any(job.state.is_active for job in jobs)
    asks_for_key = any(job.state is State.PAUSED and job.key_name for job in jobs)
    problems = join_html(notice(problem, "problem") for problem in services.jobs.problems())
    return {
        page.models: models_html(services),
        page.jobs: problems + view.jobs_html(services.jobs, jobs),
        page.timer: gr.update(active=is_changing),
        page.resume_key: gr.update(visible=asks_for_key),
        **{field: gr.update(choices=finished) for field in page.atlas_fields},
    }


def models_html(services: Services) -> Html:
    """What everybody sees."""
    return Html("<h1>Models</h1>{}{}").format(running_job_notice(services.jobs), view.models_table(services))


def refresh_jobs(page: ModelsPage, _organiser: Annotator, _inputs: Inputs) -> Updates:
    return page_updates(page)


def change_job(page: ModelsPage, _organiser: Annotator, inputs: Inputs, job_id: object, act: object) -> Updates:
    """Pauses, cancels or resumes a job."""
    runner = page.services.jobs
    if not isinstance(job_id, int) or act not in ("pause", "cancel", "resume"):
        raise MapsError("This button is not known here. Reload the page.")
    if act == "resume":
        runner.resume(job_id, str(inputs[page.resume_key] or ""))
    elif act == "pause":
        runner.pause(job_id)
    else:
        runner.cancel(job_id)
    return page_updates(page) | {page.resume_key: gr.update(value="")}


def admit_upload(page: ModelsPage, _organiser: Annotator, _inputs: Inputs) -> Updates:
    """A ticket that admits one upload."""
    return {page.add.ticket: page.services.uploads.new_ticket()}


def check_model(page: ModelsPage, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Says what mapping a model takes on this machine, before anything is downloaded but its headers."""
    tab = page.add
    request = model_request(page, inputs)
    steps = recipes.mapping_steps(request, atlas_folder(page.services, request))
    lines = page.services.jobs.run_now(steps[0], {})
    return {tab.message: join_html(notice(line) for line in lines)}


def map_model(page: ModelsPage, organiser: Annotator, inputs: Inputs) -> Updates:
    request = model_request(page, inputs)
    folder = atlas_folder(page.services, request)
    return submit(page, page.add.message, recipes.mapping_job(request, folder, organiser.pseudonym))


def check_hub_machine(page: ModelsPage, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Says what the machine of the Hub costs, and starts nothing."""
    request, machine = model_request(page, inputs), hub_machine(page, inputs)
    steps = recipes.hub_job_steps(request, machine, atlas_folder(page.services, request))
    lines = page.services.jobs.run_now(steps[0].as_dry_run(), {})
    return {page.add.message: join_html(notice(line) for line in lines)}


def map_on_hub(page: ModelsPage, organiser: Annotator, inputs: Inputs) -> Updates:
    request, machine = model_request(page, inputs), hub_machine(page, inputs)
    folder = atlas_folder(page.services, request)
    steps = recipes.hub_job_steps(request, machine, folder)
    title = f"Map {request.model} on a machine of the Hub ({machine.flavor})"
    return submit(page, page.add.message, JobRequest(title, str(folder), steps, organiser.pseudonym))


def hub_machine(page: ModelsPage, inputs: Inputs) -> HubMachine:
    flavor, limit = (str(inputs[page.add.fields[name]] or "").strip() for name in ("flavor", "time_limit"))
    if not flavor or flavor.startswith("-") or not limit or limit.startswith("-"):
        raise MapsError("Name a machine of the Hub such as cpu-upgrade, and the longest time such as 3h.")
    return HubMachine(flavor, limit)


def model_request(page: ModelsPage, inputs: Inputs) -> ModelRequest:
    """The model that an organiser typed, checked; raises MapsError with one sentence if it cannot be mapped."""
    services, fields = page.services, page.add.fields
    values = {name: inputs[field] for name, field in fields.items()}
    model = str(values["model"] or "").strip()
    if not services.uploads.has(model):
        model = recipes.check_model_name(model, services.is_on_space)
    request = ModelRequest(
        model,
        str(values["revision"] or "").strip(),
        str(values["reading"] or AUTO),
        own_relations(services, str(values["relation"] or ""), str(values["pairs"] or "")),
        str(values["repo"] or "").strip(),
        bool(values["is_private"]),
    )
    recipes.push_steps(Path(), request.repo, request.is_private)  # refuses a dataset's name at once
    return request


def atlas_folder(services: Services, request: ModelRequest) -> Path:
    return services.data_folder.resolve() / "atlases" / recipes.folder_name(request)


def own_relations(services: Services, name: str, pairs: str) -> tuple[tuple[str, Path], ...]:
    """The relation that an organiser pasted, as a file that its content names; raises MapsError if it is not valid."""
    name, pairs = name.strip().replace(" ", "_"), pairs.strip()
    if not pairs and not name:
        return ()
    if not pairs or not name:
        raise MapsError("An own relation needs a name and its pairs, one per line: France → Paris.")
    relation = parse_relation(name, read_pairs(pairs))
    if len(relation.pairs) > MAX_PAIRS:
        raise MapsError(f"{len(relation.pairs):,} pairs are too many; a relation can have {MAX_PAIRS:,} here.")
    content = json.dumps(relation.pairs, ensure_ascii=False).encode()
    path = services.data_folder.resolve() / "relations" / f"{hashlib.sha256(content).hexdigest()[:16]}.json"
    write_file(path, content)
    return ((relation.name, path),)


def read_pairs(text: str) -> Any:
    """Pairs from lines, or from a list in JSON; raises MapsError for a line that is not a pair."""
    if text.startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise MapsError(f"The pairs begin like a JSON list, but are not JSON: {error}.") from error
    lines = [line for line in text.splitlines() if line.strip()]
    pairs = [split_pair(line) for line in lines]
    if wrong := [line for line, (left, right) in zip(lines, pairs, strict=True) if not left or not right]:
        raise MapsError(f"This line is not a pair: {wrong[0][:100]!r}. Write one pair per line: France → Paris.")
    return pairs


def show_question(page: ModelsPage, _organiser: Annotator, inputs: Inputs) -> Updates:
    """The question about one head as the describer would get it, and what asking about all heads costs."""
    tab, server = page.describe, describer_request(page, inputs)
    atlas = chosen_atlas(page.services, inputs[tab.fields["atlas"]])
    if server.is_reserved:
        return {tab.message: notice("This describer asks no model and costs nothing.")}
    step = recipes.description_steps(atlas.folder, server, None, operations=False)[0]
    lines = page.services.jobs.run_now(step.as_dry_run(), server.keys)
    price, question = lines[0], "\n".join(lines[1:])
    shown = Html("{}<details><summary>The question about one head</summary><pre>{}</pre></details>")
    return {tab.message: shown.format(notice(price), question)}


def try_describer(page: ModelsPage, organiser: Annotator, inputs: Inputs) -> Updates:
    return start_describing(page, organiser, inputs, recipes.TRIAL_HEADS)


def describe_all(page: ModelsPage, organiser: Annotator, inputs: Inputs) -> Updates:
    return start_describing(page, organiser, inputs, None)


def start_describing(page: ModelsPage, organiser: Annotator, inputs: Inputs, sample: int | None) -> Updates:
    tab, server = page.describe, describer_request(page, inputs)
    folder = own_folder(page.services, inputs[tab.fields["atlas"]])
    steps = recipes.description_steps(folder, server, sample, operations=inputs[tab.fields["operations"]] is True)
    heads = f"{sample} heads of " if sample else ""
    title = f"Describe {heads}{inputs[tab.fields['atlas']]} by {server.name}"
    return submit(page, tab.message, JobRequest(title, str(folder), steps, organiser.pseudonym, server.keys))


def show_answers(page: ModelsPage, _organiser: Annotator, inputs: Inputs) -> Updates:
    """The newest descriptions of a describer, and the heads on which it failed, with the reasons."""
    tab, server = page.describe, describer_request(page, inputs)
    atlas = chosen_atlas(page.services, inputs[tab.fields["atlas"]])
    return {tab.message: view.answers_html(atlas, server.name)}


def describer_request(page: ModelsPage, inputs: Inputs) -> ServerRequest:
    fields = page.describe.fields
    return server_request({name: inputs[fields[name]] for name in ("name", "url", "key", "max_cost")})


def server_request(values: dict[str, Any]) -> ServerRequest:
    """A language model as an organiser named it; raises MapsError if there is no name."""
    name = str(values["name"] or "").strip()
    if not name or name.startswith("-"):
        raise MapsError("Name a model, such as gpt-4o, hf:MODEL, or offline for the rules.")
    max_cost = positive_number("The spending limit", values["max_cost"])
    return ServerRequest(name, str(values["url"] or "").strip(), str(values["key"] or "").strip(), max_cost)


def positive_number(label: str, text: object) -> float | None:
    """A number above 0 that may be missing; raises MapsError for anything else."""
    typed = str(text or "").strip()
    if not typed:
        return None
    try:
        value = float(typed.removeprefix("$"))
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise MapsError(f"{label} must be a number above 0, not {typed!r}.")
    return value


def upload_atlas(page: ModelsPage, organiser: Annotator, inputs: Inputs) -> Updates:
    tab = page.upload
    values = {name: inputs[field] for name, field in tab.fields.items()}
    atlas, repo = chosen_atlas(page.services, values["atlas"]), str(values["repo"] or "").strip()
    if not repo:
        raise MapsError("Name the dataset that the atlas is uploaded to: user/name.")
    steps = tuple(recipes.push_steps(atlas.folder, repo, values["is_private"] is True))
    title = f"Upload {values['atlas']} to {repo}"
    return submit(page, tab.message, JobRequest(title, str(atlas.folder), steps, organiser.pseudonym))


def submit(page: ModelsPage, message: gr.HTML, request: JobRequest) -> Updates:
    """Starts a job and says so in the tab's message."""
    page.services.jobs.submit(request)
    return page_updates(page) | {message: notice(STARTED_MESSAGE, "receipt")}


def chosen_atlas(services: Services, name: object) -> Atlas:
    """The finished atlas of that name; raises MapsError for any other name."""
    atlas = services.whole_atlas(str(name))
    if is_unfinished(atlas):
        raise MapsError(f"{name} is still being mapped. Wait until its job is done.")
    return atlas


def store_text(services: Services, name: object, ending: str, text: str, describer: str | None) -> dict[str, int]:
    """Stores descriptions that were written elsewhere, given as a file's text; how many by each describer.

    `describer`: of rows that name none. Raises MapsError for a row that does not fit, and then stores none.
    """
    folder = own_folder(services, name)
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / f"descriptions{ending}"
        path.write_text(text, encoding="utf-8")
        stored = store_written(folder, path, describer)
    services.jobs.report_folder(folder)
    return {describer: summary.asked for describer, summary in stored.items()}


def own_folder(services: Services, name: object) -> Path:
    """The folder of an atlas, for jobs that write into it; a shipped or downloaded atlas is copied first."""
    folder = chosen_atlas(services, name).folder.resolve()
    is_downloaded = str(name) in services.hub_datasets
    if folder.parent != PREBUILT_FOLDER.resolve() and not is_downloaded:
        return folder
    copy = services.data_folder.resolve() / "atlases" / (folder.name if not is_downloaded else f"copy-{folder.name}")
    if not copy.exists():
        temporary = copy.with_name(f".{copy.name}")
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(folder, temporary)
        temporary.replace(copy)
    return copy
