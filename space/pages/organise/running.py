"""What organisers do with a running study: pause it, move its deadline, delete it, show its answers, close it."""

from __future__ import annotations

import gradio as gr

from annotation.study.store import delete_study_file
from annotation.study.study import DEFAULT_STUDY, Study
from maps.errors import MapsError
from space.components.markup import notice
from space.pages.organise import adjudication, studies
from space.pages.organise.updates import OrganisePage, can_be_closed, page_updates
from space.studies.current import answers_hidden_reason
from space.web.sessions import Annotator
from space.web.updates import Inputs, Updates


def show_study(page: OrganisePage, organiser: Annotator, study: Study) -> Updates:
    """The page as it is after a change of a study."""
    selection = adjudication.new_selection(page.services, organiser, study, None, reveal_answers=False)
    return page_updates(page, organiser, selection)


def pause_study(page: OrganisePage, organiser: Annotator, inputs: Inputs) -> Updates:
    study = adjudication.selected_study(page.services, inputs[page.selection])
    page.services.journal.change_study(study, "paused", organiser.pseudonym)
    message = f"{study.name} is paused: nobody is given an item, and no answer is stored, until you let it go on."
    return show_study(page, organiser, study) | {page.study.change_notice: notice(message, "receipt")}


def resume_study(page: OrganisePage, organiser: Annotator, inputs: Inputs) -> Updates:
    study = adjudication.selected_study(page.services, inputs[page.selection])
    page.services.journal.change_study(study, "resumed", organiser.pseudonym)
    return show_study(page, organiser, study) | {page.study.change_notice: notice(f"{study.name} goes on.", "receipt")}


def extend_study(page: OrganisePage, organiser: Annotator, inputs: Inputs) -> Updates:
    """Moves the deadline to the end of a later day."""
    study = adjudication.selected_study(page.services, inputs[page.selection])
    try:
        day = studies.parse_deadline(inputs[page.study.deadline])
        if day is None:
            raise MapsError("Type the new last day, like 2027-01-31.")
        page.services.journal.change_study(study, "extended", organiser.pseudonym, day)
    except MapsError as error:
        return {page.study.change_notice: notice(str(error), "problem")}
    message = f"The last day of {study.name} is {day:%Y-%m-%d} now."
    return show_study(page, organiser, study) | {page.study.change_notice: notice(message, "receipt")}


def ask_to_delete_study(page: OrganisePage, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Explains what deleting a study means, before it is done."""
    study = adjudication.selected_study(page.services, inputs[page.selection])
    warning = (
        f"{study.name} will be gone, and links to it will no longer work. This is possible because nobody has begun. "
        "Its name cannot be used again."
    )
    return {
        page.study.change_notice: notice(warning, "problem"),
        page.study.delete_confirm_button: gr.update(visible=True),
    }


def delete_study(page: OrganisePage, organiser: Annotator, inputs: Inputs) -> Updates:
    """Deletes a study in which nobody has begun."""
    services = page.services
    study = adjudication.selected_study(services, inputs[page.selection])
    hidden: Updates = {page.study.delete_confirm_button: gr.update(visible=False)}
    try:
        services.journal.change_study(study, "deleted", organiser.pseudonym)
        delete_study_file(study, services.data_folder / "studies")
    except MapsError as error:
        return hidden | {page.study.change_notice: notice(str(error), "problem")}
    newest = next(iter(studies.studies_newest_first(services)), DEFAULT_STUDY)
    updates = show_study(page, organiser, studies.find_study(services, newest)) | hidden
    message = notice(f"The study {study.name} is deleted.", "receipt")
    return updates | {page.study.change_notice: message, page.invite.study_links: ""}


def ask_to_open_answers(page: OrganisePage, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Explains what showing the answers to annotators means, before it is done."""
    tab = page.study
    study = adjudication.selected_study(page.services, inputs[page.selection])
    if answers_hidden_reason(page.services, study) is None:
        already_open = notice("The answers of this study are shown already.")
        return {tab.notice: already_open, tab.confirm_button: gr.update(visible=False)}
    warning = (
        f"Annotators of {study.name} will see what others answered to items that they have judged themselves, and "
        "everybody will see the agreement so far, although the study is still running. This cannot be undone."
    )
    return {tab.notice: notice(warning, "problem"), tab.confirm_button: gr.update(visible=True)}


def open_answers(page: OrganisePage, organiser: Annotator, inputs: Inputs) -> Updates:
    """Shows the answers of a study to its annotators from now on."""
    tab = page.study
    study = adjudication.selected_study(page.services, inputs[page.selection])
    page.services.journal.open_answers(study.name, organiser.pseudonym)
    return {
        tab.notice: notice(f"The answers of {study.name} are now shown to its annotators.", "receipt"),
        tab.confirm_button: gr.update(visible=False),
        tab.open_button: gr.update(visible=False),
    }


def ask_to_close_study(page: OrganisePage, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Explains what closing a study means, before it is done."""
    tab = page.study
    study = adjudication.selected_study(page.services, inputs[page.selection])
    if not can_be_closed(page.services, study):
        cannot = notice("This study is over already, or it is the one that is always open.")
        return {tab.close_notice: cannot, tab.close_confirm_button: gr.update(visible=False)}
    warning = (
        f"Nobody will be able to judge in {study.name}, and its answers will be shown: annotators see what others "
        "answered to items that they have judged themselves, and everybody sees the agreement. You can still decide on "
        "disagreements. This cannot be undone."
    )
    return {tab.close_notice: notice(warning, "problem"), tab.close_confirm_button: gr.update(visible=True)}


def close_study(page: OrganisePage, organiser: Annotator, inputs: Inputs) -> Updates:
    """Ends a study, whose answers are open from now on."""
    tab = page.study
    study = adjudication.selected_study(page.services, inputs[page.selection])
    page.services.journal.close_study(study, organiser.pseudonym)
    return show_study(page, organiser, study) | {
        tab.close_notice: notice(f"The study {study.name} is closed.", "receipt"),
        tab.close_confirm_button: gr.update(visible=False),
    }
