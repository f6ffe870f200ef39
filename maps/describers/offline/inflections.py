"""Regular English inflections by their endings. No dictionary: the rules allow forms that no one uses."""

from __future__ import annotations

from functools import lru_cache

# What each form adds, with the letters that it replaces: ("y", "ies") makes "cities" of "city".
INFLECTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "-s form": (("", "s"), ("", "es"), ("y", "ies")),
    "-ed form": (("", "ed"), ("e", "ed"), ("y", "ied")),
    "-ing form": (("", "ing"), ("e", "ing")),
    "-er form": (("", "er"), ("e", "er"), ("y", "ier")),
    "-est form": (("", "est"), ("e", "est"), ("y", "iest")),
    "-ly form": (("", "ly"), ("y", "ily"), ("le", "ly"), ("ic", "ically")),
}
DOUBLING_FORMS = ("-ed form", "-ing form", "-er form", "-est form")  # "stop" gives "stopped"


def has_form(word: str, form: str, inflection: str) -> bool:
    """Whether `form` is that inflection of a word of three letters or more (both in lower case)."""
    if len(word) < 3 or not word.isalpha() or form[:2] != word[:2]:
        return False
    endings = INFLECTIONS[inflection]
    if any(word.endswith(end) and form == word.removesuffix(end) + new for end, new in endings):
        return True
    return inflection in DOUBLING_FORMS and word[-1] not in "aeiouy" and form == word + word[-1] + endings[0][1]


@lru_cache(maxsize=100_000)
def possible_bases(form: str) -> frozenset[str]:
    """What a string may be an inflection of, itself among them; nearly all of it is no word."""
    found = {form}
    for name, endings in INFLECTIONS.items():
        for end, new in endings:
            stem = form.removesuffix(new)
            found |= {stem + end} if stem != form else set()
        stem = form.removesuffix(endings[0][1])
        if name in DOUBLING_FORMS and stem != form and len(stem) > 3 and stem[-1] == stem[-2]:
            found.add(stem[:-1])
    return frozenset(word for word in found if word == form or has_any_form(word, form))


def has_any_form(word: str, form: str) -> bool:
    """Whether `form` is some inflection of a word."""
    return any(has_form(word, form, name) for name in INFLECTIONS)
