"""Regular English inflections by their endings. No dictionary, so unused forms are allowed too."""

from __future__ import annotations

from functools import lru_cache

# (old ending, new ending) by form: ("y", "ies") turns "city" into "cities".
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
    """Whether `form` is an inflection of a word with at least three letters (both in lower case)."""
    if len(word) < 3 or not word.isalpha() or form[:2] != word[:2]:
        return False
    endings = INFLECTIONS[inflection]
    if any(word.endswith(end) and form == word.removesuffix(end) + new for end, new in endings):
        return True
    return inflection in DOUBLING_FORMS and word[-1] not in "aeiouy" and form == word + word[-1] + endings[0][1]


@lru_cache(maxsize=100_000)
def possible_bases(form: str) -> frozenset[str]:
    """The strings that a string may be an inflection of, including itself; most are not words."""
    candidates = {form}
    for name, endings in INFLECTIONS.items():
        for end, new in endings:
            stem = form.removesuffix(new)
            if stem != form:
                candidates.add(stem + end)
        stem = form.removesuffix(endings[0][1])
        if name in DOUBLING_FORMS and stem != form and len(stem) > 3 and stem[-1] == stem[-2]:
            candidates.add(stem[:-1])
    return frozenset(word for word in candidates if word == form or has_any_form(word, form))


def has_any_form(word: str, form: str) -> bool:
    return any(has_form(word, form, name) for name in INFLECTIONS)
