"""Finds the study that an annotator works on, its stale items, and why judging is closed or answers are hidden.

Answers must not influence other annotators. So in a study with a fixed number of judgments per item they are shown
only when the study is over, or after an organiser opened them. Both are rows of the journal, which nothing takes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from annotation.errors import JournalError
from annotation.identity.tokens import ANYBODY_WITH_THE_LINK, is_invitation
from annotation.journal.deadlines import DEADLINE_CONFIRMATION
from annotation.journal.participants import is_member, join_study
from annotation.journal.study_changes import is_past_deadline, is_paused
from annotation.study.candidates import current_versions
from annotation.study.store import load_studies
from annotation.study.study import DEFAULT_STUDY, Study, stale_item_keys
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from space.atlases.cache import table_times
from space.services import LedgerView, Services
from space.web.sessions import Annotator

NOT_INVITED = (
    "Only invited people take part in this study. If you were invited, open the link that you were sent, on this "
    "device, with the same name or login."
)


def all_studies(services: Services) -> dict[str, Study]:
    """All studies by name: the created ones, and the default study of all described heads."""
    return load_studies(services.data_folder / "studies") | {DEFAULT_STUDY: services.default_study}


def load_running_studies(services: Services) -> None:
    """Reads the studies that are not over, and who has judged what, so that the first person need not wait for it."""
    with suppress(MapsError):  # a damaged file is reported to whoever opens a study
        ended = services.journal.endings()
        for study in all_studies(services).values():
            if study.settings.per_item is not None and study.name not in ended:
                services.journal.slot_holders(study)


def select_study(services: Services, requested_name: str | None, previous_name: object = None) -> Study:
    """The study named in an address; else the browser's previous one, if it was created and is open; else the default
    study, as `visible_default_study`: whoever comes by chance takes no place of a study.

    Raises MapsError if the address names an unknown study.
    """
    studies = all_studies(services)
    if requested_name is not None:
        if requested_name not in studies:
            raise MapsError(f"There is no study {requested_name!r} here; ask the person who sent you the link.")
        return studies[requested_name] if requested_name != DEFAULT_STUDY else visible_default_study(services)
    ended = services.journal.endings()
    created = {name: study for name, study in studies.items() if name != DEFAULT_STUDY and name not in ended}
    if isinstance(previous_name, str) and previous_name in created:
        previous = created[previous_name]
        if not is_past_deadline(services.journal, previous):
            return previous
    return visible_default_study(services)


def visible_default_study(services: Services) -> Study:
    """The study of all described heads, without those whose descriptions are hidden while another study goes on.

    So nobody is given these heads in it, no address or handle opens them, and answers to them do not count.
    """
    study = services.default_study
    hidden = services.hidden_heads(study.settings.model)
    return study.without_heads(hidden) if hidden else study


def find_stale_item_keys(atlases: Mapping[str, Atlas], study: Study) -> frozenset[str]:
    """The keys of a created study's items whose mappings or description changed; none without the model's atlas."""
    settings = study.settings
    atlas = atlases.get(settings.model)
    if study.name == DEFAULT_STUDY or atlas is None:
        return frozenset()
    return _stale_item_keys(study, atlas.folder, table_times(atlas, ("mappings", "descriptions", "patterns")))


@lru_cache(maxsize=16)
def _stale_item_keys(study: Study, folder: Path, _changed: tuple[int, ...]) -> frozenset[str]:
    settings = study.settings
    current = current_versions(Atlas.open(folder), settings.describer, settings.per_operation)
    return frozenset(stale_item_keys(study, current))


def judging_closed_reason(services: Services, study: Study) -> str | None:
    """Why nobody can judge in this study at the moment, in one sentence; None if people can."""
    if services.is_on_space and not services.has_login:
        return "Judging is closed: this Space has no login. Please tell the person who runs it."
    if (reason := storage_closed_reason(services.ledger)) is not None:
        return reason
    if (reason := services.journal.over_reason(study)) is not None:
        return f"{study_words(study)} is over: {reason}. Thank you to everybody who took part!"
    if is_paused(services.journal, study.name):
        return f"{study_words(study)} is paused; please come back later. Answers that were given are kept."
    return None


def study_words(study: Study) -> str:
    """How a sentence for annotators begins that is about their study."""
    title = study.settings.notice.title
    return f"The study “{title}”" if title else f"The study {study.name}"


def accept_invitation(services: Services, study: Study, annotator: Annotator, invitation: object) -> None:
    """Lets a person into a study if they came from its panel, or if the invitation in their link is theirs or counts
    for anybody; anything else is ignored."""
    invited, key = (annotator.pseudonym, ANYBODY_WITH_THE_LINK), services.pseudonym_key
    if annotator.panel == study.name or any(is_invitation(invitation, study.name, each, key) for each in invited):
        join_study(services.journal, study.name, annotator.pseudonym)


def may_be_invited(services: Services, study: Study, annotator: Annotator | None, invitation: object) -> bool:
    """Whether a person whose browser has this invitation may turn out to be invited when they sign in."""
    is_from_panel = annotator is not None and annotator.panel == study.name
    if not study.settings.invited_only or is_from_panel:
        return True
    key = services.pseudonym_key
    if is_invitation(invitation, study.name, ANYBODY_WITH_THE_LINK, key):
        return True
    if annotator is None:  # on a Space an invitation may be theirs; elsewhere a personal link signs in
        return services.is_on_space and isinstance(invitation, str)
    is_theirs = is_invitation(invitation, study.name, annotator.pseudonym, key)
    return is_theirs or is_member(services.journal, study.name, annotator.pseudonym)


def not_invited_reason(services: Services, study: Study, annotator: Annotator) -> str | None:
    """Why this person may not judge in a study that is for invited people only; None if they may."""
    if not study.settings.invited_only or is_member(services.journal, study.name, annotator.pseudonym):
        return None
    return NOT_INVITED


def storage_closed_reason(ledger: LedgerView | None) -> str | None:
    """Why nothing may be stored yet, in one sentence: the ledger has not been read. None if it may."""
    return ledger.closed_reason() if ledger is not None else None


def answers_hidden_reason(services: Services, study: Study) -> str | None:
    """Why a study's answers are not shown yet, in one sentence; None if they are shown."""
    if study.settings.per_item is None:
        return None
    reason = _not_over_reason(services, study)
    return None if reason is None or services.journal.answers_opened_at(study.name) else reason


def _not_over_reason(services: Services, study: Study) -> str | None:
    """Why a study does not count as over, in one sentence; None if it does. An end that is due is recorded."""
    journal = services.journal
    if study.name in journal.endings():
        return None
    if (reason := storage_closed_reason(services.ledger)) is not None:  # the ledger may hold an earlier end
        return reason
    try:
        if journal.study_ending(study) is not None:
            return None
    except JournalError as error:
        return f"The answers of the study {study.name} are not shown yet. {error}"
    if is_past_deadline(journal, study):
        minutes = DEADLINE_CONFIRMATION.total_seconds() / 60
        return (
            f"The deadline of the study {study.name} has passed. Its answers are shown {minutes:.0f} minutes after "
            "this server has noticed it; please come back then."
        )
    return (
        f"The study {study.name} is still running. Answers are shown when it is over (all judgments are there, its "
        "deadline has passed, or an organiser closes it), or when an organiser shows them before."
    )
