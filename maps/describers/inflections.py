"""Regular English inflections by their endings. No dictionary: the rules allow forms that no one uses."""

from __future__ import annotations

# What each form adds, with the letters that it replaces: ("y", "ies") makes "cities" of "city".
INFLECTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "-s form": (("", "s"), ("", "es"), ("y", "ies")),
    "-ed form": (("", "ed"), ("e", "ed"), ("y", "ied")),
    "-ing form": (("", "ing"), ("e", "ing")),
    "-er form": (("", "er"), ("e", "er"), ("y", "ier")),
    "-est form": (("", "est"), ("e", "est"), ("y", "iest")),
    "-ly form": (("", "ly"), ("y", "ily"), ("le", "ly"), ("ic", "ically")),
}
DOUBLING = ("-ed form", "-ing form", "-er form", "-est form")  # "stop" gives "stopped"


def is_form(word: str, form: str, inflection: str) -> bool:
    """Whether `form` is that inflection of a word of three letters or more (both in lower case)."""
    if len(word) < 3 or not word.isalpha() or form[:2] != word[:2]:
        return False
    endings = INFLECTIONS[inflection]
    if any(word.endswith(end) and form == word.removesuffix(end) + new for end, new in endings):
        return True
    return inflection in DOUBLING and word[-1] not in "aeiouy" and form == word + word[-1] + endings[0][1]


def related(first: str, second: str) -> bool:
    """Whether either word is some inflection of the other."""
    return any(is_form(first, second, name) or is_form(second, first, name) for name in INFLECTIONS)
