"""What people read before they take part: who asks and why, how much work it is, and what an item looks like."""

from __future__ import annotations

from annotation.report.study_plan import SECONDS_PER_ITEM, hours_words
from annotation.study.practice import load_practice_examples, practice_of_study
from annotation.study.study import DEFAULT_STUDY, Study
from annotation.study.workload import items_asked
from maps.text import pluralize
from space.components.markup import Html, join_html, mapping_list
from space.web.sessions import Annotator

TITLE = "Judge descriptions of attention heads"
SHOWN_MAPPINGS = 5
NOTICE_WORDS = {
    "organiser": "Who asks",
    "purpose": "What for",
    "payment": "What you get",
    "ethics": "Ethics",
    "contact": "Questions",
}
WHAT_HEADS_DO = (
    "A language model reads text in small pieces, called tokens: words, parts of words, signs. An attention head is a "
    "small part of the model. To some tokens it responds strongly (its sources), and for each of them it makes certain "
    "tokens more likely (its targets). A source with its targets is a mapping."
)
PANEL_WORDS = (
    "You come from {}. Your id there takes the place of a name: a pseudonym is made from it, and the id itself is not "
    "stored."
)
KNOWN_WORDS = "You are signed in as {}."
YOUR_TASK = (
    "An item shows the thirty mappings that a head responds to most strongly, and a description that somebody, or a "
    "program, wrote for them. You say whether the description is right. You need no knowledge of language models."
)


def welcome_html(study: Study, known: Annotator | None = None) -> Html:
    """Everything above the field for the name, for one study; who is `known` by their link types none."""
    title = study.settings.notice.title or TITLE
    parts = [Html("<h1>{}</h1>").format(title), notice_list(study)]
    parts += [Html("<p>{}</p>").format(text) for text in (WHAT_HEADS_DO, YOUR_TASK, work_words(study))]
    return join_html([*parts, example_html(), known_html(study, known)])


def known_html(study: Study, known: Annotator | None) -> Html:
    """How somebody is known who types no name; empty for others."""
    if known is None:
        return Html("")
    words = KNOWN_WORDS.format(known.name)
    if known.panel == study.name:
        words = PANEL_WORDS.format(study.settings.panel.name or "the panel")
    return Html("<p>{}</p>").format(words)


def notice_list(study: Study) -> Html:
    """The organiser's own words; empty without any."""
    notice = study.settings.notice
    rows = [
        Html("<dt>{}</dt><dd>{}</dd>").format(words, text)
        for name, words in NOTICE_WORDS.items()
        if (text := getattr(notice, name))
    ]
    return Html("<dl>{}</dl>").format(join_html(rows)) if rows else Html("")


def work_words(study: Study) -> str:
    """How many items one person is asked for, how long that takes, and that one may stop."""
    stop = "You can stop at any time: what you have answered until then counts, unless you withdraw it."
    most = items_asked(study)
    if most is None:
        return f"Judge as many items as you like; one takes about {SECONDS_PER_ITEM} seconds. {stop}"
    practice = len(practice_of_study(study))
    hours = hours_words((most + practice) * SECONDS_PER_ITEM / 3600)
    first = f", after {pluralize(practice, 'practice item')}" if practice else ""
    highest = study.settings.per_annotator or len(study.order)
    more = f" You may be given more, up to {highest:,}, if others judge fewer." if most < highest else ""
    asked = f"You are asked for {'up to' if most == highest else 'about'} {pluralize(most, 'item')}{first}"
    return " ".join(filter(None, (f"{asked}: {hours} in all.{more}", practice_words(study), stop)))


def practice_words(study: Study) -> str:
    """What the practice items are for; empty without any."""
    number, needed = len(practice_of_study(study)), study.settings.practice_pass
    if not number:
        return ""
    words = "After a practice item you are told the right answers; it is no part of the results."
    if not needed:
        return words
    return f"{words} To go on you need {needed} of {pluralize(number, 'practice item')} right, in all their questions."


def example_html() -> Html:
    """An item as it looks, with a few mappings and the right answer: the second practice item."""
    example = load_practice_examples(DEFAULT_STUDY)[1]
    mappings = mapping_list(example.content.mappings[:SHOWN_MAPPINGS], shown_count=None, linked=False)
    return Html(
        '<figure class="sample"><figcaption>An item (the first {} of 30 mappings)</figcaption>{}'
        '<dl class="judged"><dt>Inputs</dt><dd>{}</dd><dt>Pattern</dt><dd>{}</dd></dl><p>{} {}</p></figure>'
    ).format(
        SHOWN_MAPPINGS,
        mappings,
        example.content.input_strings,
        example.content.observed_pattern,
        "Here a pattern is visible and described, and the description is accurate:",
        example.feedback["precision"][0].lower() + example.feedback["precision"][1:],
    )
