"""The organiser's page as HTML: studies and how far they are, people, disagreements with the answers side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from urllib.parse import urlencode

from annotation.form import QUESTIONS
from annotation.report.phrases import counted_words
from annotation.statistics.disagreement import Disagreement
from annotation.statistics.progress import Fulfilment, Work
from annotation.study.study import DEFAULT, Study
from annotation.types import Judgment
from maps.types import HeadId
from space.components.markup import anchor, beside, mappings, notice, table, text


def address_of(study: str, item: int | None = None, on_purpose: bool = False) -> str:
    """The address of a study on the organiser's page, or of an item of it."""
    query: dict[str, object] = {"study": study}
    query |= {} if item is None else {"item": item}
    return "organise?" + urlencode(query | ({"answers": "shown"} if on_purpose else {}))


def state(study: Study, complete: bool, now: datetime) -> str:
    """Whether a study is going on."""
    if study.over(now):
        return "over: its deadline has passed"
    return "complete: every place is filled" if complete else "going on"


def places_words(found: Fulfilment) -> str:
    """`45 of 120 given, 3 reserved`."""
    if found.wanted is None:
        return f"{found.given:,} given"
    return f"{found.given:,} of {found.wanted:,} given, {found.reserved:,} reserved"


def studies_table(rows: Iterable[tuple[Study, Fulfilment, str]]) -> str:
    """All studies, a line each, with a link to each of them."""
    head = ("Study", "State", "Places", "Items with all judgments", "Stale items", "Created")
    lines = [
        (
            anchor(address_of(study.name), study.name),
            text(words),
            text(places_words(found)),
            f"{found.done:,} of {found.items:,}",
            f"{found.stale:,}",
            f"{study.settings.created_at:%Y-%m-%d}",
        )
        for study, found, words in rows
    ]
    return table(head, lines, "How far each study is")


def detail(study: Study, found: Fulfilment, words: str, address: str) -> str:
    """One study: how far it is, its address for annotators, what is stale, its settings."""
    lines = [
        f"It is {words}.",
        f"Places: {places_words(found)}; {found.done:,} of {found.items:,} items have all their judgments.",
    ]
    if study.settings.overlap:
        lines.append(f"Overlap: {found.overlap:,} judgments of its {study.settings.overlap:,} items.")
    parts = "".join(f"<p>{text(line)}</p>" for line in lines)
    if study.name != DEFAULT:
        parts += f"<p>Send annotators the address of this link: {anchor(address, address)}</p>"
    return f"<h2>{text(study.name)}</h2>{parts}{stale_words(found)}{settings_list(study)}"


def stale_words(found: Fulfilment) -> str:
    """What of a study its atlas no longer bears out."""
    if not found.stale:
        return ""
    return notice(
        f"{counted_words(found.stale, 'stale item')}: the head has other mappings or another description now. Nobody "
        f"is given them; their judgments ({found.stale_judgments:,}) are kept, marked, and left out of the figures."
    )


def settings_list(study: Study) -> str:
    """The frozen settings, folded."""
    names = {name: name.replace("_", " ") for name in asdict(study.settings)}
    rows = "".join(
        f"<dt>{text(names[name])}</dt><dd>{'none' if value is None else text(value)}</dd>"
        for name, value in asdict(study.settings).items()
    )
    return f"<details><summary>Settings, frozen</summary><dl>{rows}</dl></details>"


def people_table(rows: Sequence[Work]) -> str:
    """What each annotator has done."""
    if not rows:
        return notice("Nobody has judged anything in this study yet.")
    lines = [(text(each.annotator), f"{each.items:,}", f"{each.seconds:.0f}", text(with_others(each))) for each in rows]
    head = ("Annotator", "Items done", "Median seconds", "Agrees with the majority of the others on question one")
    return table(head, lines, "Annotators")


def with_others(each: Work) -> str:
    """`18 of 20 items`, or why there is no number."""
    if not each.compared:
        return "undefined: the others have a majority on none of these items"
    return f"{each.agreeing:,} of {each.compared:,} items ({each.agreeing / each.compared:.0%})".replace("%", " %")


def disagreements_table(study: Study, found: Sequence[Disagreement], on_purpose: bool) -> str:
    """The items to decide, most disagreement first."""
    if not found:
        return notice("No item of this study has answers that differ.")
    position = {item: n for n, item in enumerate(study.order)}
    decided = sum(each.decision is not None for each in found)
    lines = [
        (
            anchor(address_of(study.name, position[each.item], on_purpose), str(head_of(each))),
            f"{each.distance:.2f}",
            f"{len(each.judgments):,}",
            "decided" if each.decision else "open",
        )
        for each in found
    ]
    head = ("Head", "Disagreement, from 0 to 1", "Answers", "Decision")
    return f"<p>{decided:,} of {len(found):,} decided.</p>" + table(head, lines, "Items in disagreement")


def head_of(each: Disagreement) -> HeadId:
    """The head of an item in disagreement."""
    return HeadId(each.item.layer, each.item.head)


def case(study: Study, each: Disagreement) -> str:
    """Everything about an item: mappings, description, and the answers side by side."""
    shown = study.shown[each.item.key]
    return beside(
        f"<h2>{head_of(each)}: the answers side by side</h2>{side_by_side(each)}"
        f'<dl class="judged"><dt>Inputs</dt><dd>{text(shown.input_strings)}</dd>'
        f"<dt>Pattern</dt><dd>{text(shown.observed_pattern)}</dd></dl>"
        f"<h2>Mappings of {head_of(each)}</h2>{mappings(shown.mappings, first=None, linked=False)}",
        f"Answers, description and mappings of {head_of(each)}",
    )


def side_by_side(each: Disagreement) -> str:
    """A column an annotator, a row a question; last the decision, where there is one."""
    columns = [*each.judgments, *([each.decision] if each.decision else [])]
    heads = [row.annotator for row in each.judgments] + (["Decision"] if each.decision else [])
    rows = [(text(q.short), *(chosen(row, q.field) for row in columns)) for q in QUESTIONS]
    rows.append(("comment", *(text(row.comment) for row in columns)))
    return table(("", *heads), rows, "Answers")


def chosen(row: Judgment, field: str) -> str:
    """An answer in the form's words; a dash where the question was not asked."""
    [question] = [question for question in QUESTIONS if question.field == field]
    labels = {choice.code: choice.label for choice in question.choices}
    code = getattr(row, field)
    return "–" if code is None else text(labels.get(code, code))
