"""The page of models: which event calls what."""

from __future__ import annotations

from typing import Any

import gradio as gr

from space.pages.models import evidence, handlers, one_head
from space.pages.models.layout import ModelsPage
from space.services import Services
from space.web.organisers import for_organisers, with_problems_in
from space.web.updates import PRIVATE_EVENT, inputs_of
from space.web.viewer import event_data


def build(services: Services, page: gr.Blocks) -> None:
    here = ModelsPage(services)
    token = inputs_of(here.organiser_token)
    outputs = here.refresh_outputs()
    opened = [*outputs, here.content_column, here.tabs, here.head.fields["head"]]
    page.load(handlers.page_load_handler(here), token, opened, **PRIVATE_EVENT)
    quiet = {"show_progress": "hidden", **PRIVATE_EVENT}
    here.timer.tick(for_organisers(here, handlers.refresh_jobs), token, outputs, **quiet)
    connect_job_buttons(here)
    connect_upload(here)
    connect_file(here)
    for tab, button, handler in (
        (here.add, here.add.check_button, handlers.check_model),
        (here.add, here.add.start_button, handlers.map_model),
        (here.add, here.add.price_button, handlers.check_hub_machine),
        (here.add, here.add.hub_button, handlers.map_on_hub),
        (here.describe, here.describe.price_button, handlers.show_question),
        (here.describe, here.describe.trial_button, handlers.try_describer),
        (here.describe, here.describe.start_button, handlers.describe_all),
        (here.describe, here.describe.answers_button, handlers.show_answers),
        (here.head, here.head.ask_button, one_head.ask_about_head),
        (here.head, here.head.save_button, one_head.save_by_hand),
        (here.evidence, here.evidence.start_button, evidence.measure_evidence),
        (here.evidence, here.evidence.table_button, evidence.compare_describers),
        (here.evidence, here.evidence.first_button, evidence.show_first),
        (here.upload, here.upload.start_button, handlers.upload_atlas),
    ):
        inputs = inputs_of(here.organiser_token, *tab.fields.values())
        guarded = for_organisers(here, with_problems_in(tab.message, handler))
        button.click(guarded, inputs, [*outputs, tab.message], **PRIVATE_EVENT)


def connect_upload(here: ModelsPage) -> None:
    """A ticket from the server first; then the browser sends the file, and its path is the model to be mapped."""
    tab = here.add
    admit = for_organisers(here, handlers.admit_upload)
    admitted = tab.upload_button.click(admit, inputs_of(here.organiser_token), [tab.ticket], **PRIVATE_EVENT)
    admitted.then(None, tab.ticket, tab.fields["model"], js="modelUpload.send")


def connect_file(here: ModelsPage) -> None:
    """The browser reads the file of descriptions; the server checks and stores them."""
    tab = here.describe
    inputs = inputs_of(here.organiser_token, *tab.fields.values(), tab.file_text)
    store = for_organisers(here, with_problems_in(tab.message, evidence.store_file))
    read = tab.file_button.click(None, None, tab.file_text, js="modelUpload.text")
    read.then(store, inputs, [*here.refresh_outputs(), tab.message], **PRIVATE_EVENT)


def connect_job_buttons(here: ModelsPage) -> None:
    """The buttons on the cards of jobs."""
    inputs = inputs_of(here.organiser_token, here.resume_key)

    def change_job(sent: dict[Any, Any], request: gr.Request, event: gr.EventData) -> Any:
        data = event_data(event)
        change = for_organisers(here, handlers.change_job, data.get("job"), data.get("act"))
        return change(sent, request)

    here.jobs.act(change_job, inputs, here.refresh_outputs(), **PRIVATE_EVENT)
