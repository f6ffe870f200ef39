"""What happens on the annotator's page: every handler finds out again who asks, and answers in the order of `Form`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import gradio as gr

from annotation import form
from annotation.form import GUIDELINES_VERSION
from annotation.identity import pseudonyms
from annotation.journal.journal import JournalError
from annotation.study.study import Study
from maps.errors import MapsError
from space.components.links import head_in
from space.components.markup import notice
from space.pages.annotate import desk as desks
from space.pages.annotate import outbox
from space.pages.annotate.view import Form, entered, in_order, receipt_line, shown, welcome
from space.services import Services
from space.studies.current import chosen, unread
from space.studies.participant import Seat
from space.web.errors import spoken
from space.web.sessions import Annotator, annotator, logged_in, named

GONE = "You have withdrawn your answers, so nothing of yours is stored any more."
MOVED = (
    "This item was free for others after 30 minutes without a sign of you, and somebody has taken it. If your answer "
    "is not needed any more, that is said when you submit; Skip brings another item."
)
Move = Callable[[Seat, object], tuple[Any, ...]]


def study_of(services: Services, kept: object) -> Study:
    """The study that the browser's desk is of, else the present one."""
    name = kept.get("study") if isinstance(kept, dict) else None
    known = isinstance(name, str) and name == services.study.name
    return services.study if known else chosen(services, name if isinstance(name, str) else None)


def opening(services: Services) -> Any:
    """The page's load: the item in the address, else the draft, else the next item; without a session the welcome."""

    @spoken
    def opened(signed: object, kept: object, draft: object, sent: object, request: gr.Request) -> tuple[Any, ...]:
        query: Mapping[str, str] = request.query_params
        before = kept.get("study") if isinstance(kept, dict) else None
        study = chosen(services, query.get("study"), before)
        wanted = desks.wanted_item(study, head_in(query))
        who = annotator(services, signed, request)
        copies = outbox.compared(services, outbox.ids_in(sent))
        if who is None or not outbox.agreed(services, who) or who.pseudonym in services.journal.withdrawn():
            gone = who is not None and who.pseudonym in services.journal.withdrawn()
            return with_copies(welcome(services, study, wanted, notice(GONE) if gone else ""), copies)
        seat = Seat(services, study, who)
        desk = desks.restored_desk(seat, kept, draft)
        if wanted is not None and desk.item != wanted:
            desk = desks.opened_desk(seat, wanted, desk.skipped)
        return with_copies(entered(signed, desk), copies)

    return opened


def with_copies(updates: tuple[Any, ...], copies: Any) -> tuple[Any, ...]:
    """Updates with what the browser is to keep, drop and send of its copies."""
    return tuple(copies if name == "copies" else each for name, each in zip(Form._fields, updates, strict=True))


def signing_in(services: Services) -> Any:
    """Notes the consent; off a Space it hands out the token of a typed name."""

    def signed_in(name: str | None, kept: object, request: gr.Request) -> tuple[Any, ...]:
        given = (logged_in(request) if services.on_space else name) or ""
        if services.on_space and not given:
            return in_order(said=notice("Please sign in with Hugging Face first.", "problem"))
        if (reason := unread(services)) is not None:
            return in_order(said=notice(reason, "problem"))
        if problems := pseudonyms.problems_with_name(given):
            return in_order(said=notice(" ".join(problems), "problem"))
        who = named(services, given)
        try:
            services.journal.consent(who.pseudonym, given.strip(), GUIDELINES_VERSION)
            seat = Seat(services, study_of(services, kept), who)
            signed = None if services.on_space else pseudonyms.signed(given, services.key, int(time.time()))
            return entered(signed, desks.first_desk(seat, kept))
        except MapsError as error:
            return in_order(said=notice(str(error), "problem"))

    return signed_in


def submitting(services: Services) -> Any:
    """Stores the answers, then shows the receipt and the next item. What is missing is said and nothing is lost."""

    def submitted(
        signed: object,
        kept: object,
        presence: str | None,
        precision: str | None,
        category: str | None,
        comment: str | None,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        answers = form.cleared(presence, precision, category, comment)

        def move(seat: Seat, kept: object) -> tuple[Any, ...]:
            desk = desks.kept_desk(seat, kept)
            if desk is None or desk.item is None:
                return shown(signed, desks.next_desk(seat, desks.skipped_in(kept)))
            if problems := form.problems(answers):
                return in_order(message=notice(" ".join(problems), "problem"))
            row, receipt = desks.submit(replace(desk, answers=answers))
            copies = {"keep": {row.judgment_id: outbox.copy_of(row, services.key)}}
            if desk.example is not None:
                return shown(signed, desks.opened_desk(seat, desk.item, desk.skipped), copies=copies)
            after = desks.next_desk(seat, desk.skipped)
            return shown(signed, after, receipt_line(desk, receipt), copies=copies)

        return moved(services, move, signed, kept, request)

    return submitted


def moved(services: Services, move: Move, signed: object, kept: object, request: gr.Request) -> tuple[Any, ...]:
    """What a handler does for whoever is signed in; troubles are said beside the form."""
    try:
        study = study_of(services, kept)
        who = annotator(services, signed, request)
        return welcome(services, study) if who is None else move(Seat(services, study, who), kept)
    except MapsError as error:
        return in_order(message=notice(str(error), "problem"))


def skipping(services: Services) -> Any:
    """Sets the item free and puts it at the end; an item that was judged before stays as it is."""

    def skipped(signed: object, kept: object, request: gr.Request) -> tuple[Any, ...]:
        def move(seat: Seat, kept: object) -> tuple[Any, ...]:
            desk = desks.kept_desk(seat, kept)
            before = desks.skipped_in(kept)
            if desk is None or desk.item is None or desk.earlier or desk.example:
                return shown(signed, desks.next_desk(seat, before))
            services.journal.release(seat.study.name, desk.item.key, seat.who.pseudonym)
            new = seat.handle(desk.item)
            return shown(signed, desks.next_desk(seat, (*(each for each in before if each != new), new)))

        return moved(services, move, signed, kept, request)

    return skipped


def going_back(services: Services) -> Any:
    """The item judged before this one, to be looked at or changed."""

    def gone_back(signed: object, kept: object, request: gr.Request) -> tuple[Any, ...]:
        def move(seat: Seat, kept: object) -> tuple[Any, ...]:
            desk = desks.kept_desk(seat, kept) or desks.next_desk(seat, desks.skipped_in(kept))
            return shown(signed, desks.earlier_desk(seat, desk))

        return moved(services, move, signed, kept, request)

    return gone_back


def staying(services: Services) -> Any:
    """A sign of life: keeps the item reserved, and says which copies are published or missing."""

    def stayed(signed: object, kept: object, sent: object, request: gr.Request) -> tuple[Any, ...]:
        def move(seat: Seat, kept: object) -> tuple[Any, ...]:
            copies = outbox.compared(services, outbox.ids_in(sent))
            said = gr.skip()
            if copies["drop"] and not copies["missing"]:
                said = notice("What you answered until now is published.", "receipt")
            lost = not seat.is_open and reserved_no_more(seat, kept)
            return in_order(copies=copies, said=said, **({"message": notice(MOVED)} if lost else {}))

        return moved(services, move, signed, kept, request)

    return stayed


def reserved_no_more(seat: Seat, kept: object) -> bool:
    """Whether the item on the desk, which is not answered yet, could not be kept reserved."""
    desk = desks.kept_desk(seat, kept)
    if desk is None or desk.item is None or desk.earlier or desk.example:
        return False
    journal, who = seat.services.journal, seat.who.pseudonym
    return (
        not journal.renew(seat.study.name, desk.item.key, who)
        and desks.restored_desk(seat, kept, None).item != desk.item
    )


def resending(services: Services) -> Any:
    """Stores the copies that this server had lost, says so, and opens the form again where that changed anything."""

    def resent(signed: object, kept: object, sent: object, request: gr.Request) -> tuple[Any, ...]:
        seals = outbox.seals_in(sent)
        if not seals or unread(services) is not None:  # said by the form; the browser keeps its copies
            return in_order()  # not even empty copies: they could take the place of those of an answer just submitted
        try:
            who = annotator(services, signed, request)
            found = outbox.resent(services, who, seals)
            said = "".join(notice(sentence) for sentence in found.sentences)
            copies = {"drop": list(found.drop)}
            if who is None or not found.stored:
                return in_order(said=said, copies=copies)
            return with_copies(reopened(services, who, signed, kept, said), copies)
        except MapsError as error:
            return in_order(said=notice(str(error), "problem"))

    return resent


def reopened(services: Services, who: Annotator, signed: object, kept: object, said: str) -> tuple[Any, ...]:
    """The form for somebody whose answers came back; without what they say where it cannot be shown."""
    try:
        seat = Seat(services, study_of(services, kept), who)
        return entered(signed, desks.restored_desk(seat, kept, None), said)
    except MapsError as error:
        return in_order(said=said + notice(str(error), "problem"))


def withdrawing(services: Services) -> Any:
    """Withdraws whoever asks: their answers count no more, their copies go, the withdrawal itself is kept."""

    def withdrawn(signed: object, kept: object, request: gr.Request) -> tuple[Any, ...]:
        who = annotator(services, signed, request)
        try:
            study = study_of(services, kept)
            if who is None:
                return welcome(services, study)
            copies = outbox.withdrawing(services, who)
        except JournalError as error:
            return in_order(message=notice(str(error), "problem"))
        said = notice(f"Your answers are withdrawn. {GONE} Whoever publishes the next release leaves them out.")
        update = dict(zip(Form._fields, welcome(services, study, said=said), strict=True))
        return in_order(**update | {"token": None, "draft": None, "copies": copies})

    return withdrawn
