"""The prompts that a model is run on, with ⟨s⟩ in the place of the subject.

The first prompt of the correlation and the task of capitals are from the paper's text; the task of languages is from
the authors' code; all others are our own. No example in a task is a source of the relation's pairs.
"""

from __future__ import annotations

SUBJECT_MARKER = "⟨s⟩"
PAPER_PROMPT = "This is a document about ⟨s⟩"
FURTHER_PROMPTS = (
    "Everybody who knows about ⟨s⟩ agrees",
    "She wrote ⟨s⟩ on the wall",
    "Because of ⟨s⟩ they came back to",
)
PROMPT_SETS = {"paper": (PAPER_PROMPT,), "all": (PAPER_PROMPT, *FURTHER_PROMPTS)}
TASK_PROMPTS = {
    "country_to_capital": "The capital of ⟨s⟩ is",
    "country_to_language": "The official language of ⟨s⟩ is",
    "object_to_superclass": "A puffin is a bird; a yew is a tree; a ⟨s⟩ is a",
    "product_by_company": "Vespa is made by Piaggio; Twizy is made by Renault; ⟨s⟩ is made by",
    "adj_to_comparative": "This one is ⟨s⟩, but that one is even",
    "verb_to_past_tense": "Today they sneeze, yesterday they sneezed. Today they ⟨s⟩, yesterday they",
    "word_to_first_letter": "The word lemon begins with l; the word otter begins with o; the word ⟨s⟩ begins with",
    "word_to_last_letter": "The word lemon ends with n; the word otter ends with r; the word ⟨s⟩ ends with",
    "year_to_following": "The year 1203 comes before 1204; the year 1341 comes before 1342; the year ⟨s⟩ comes before",
    "copying": "lemon is lemon; otter is otter; ⟨s⟩ is",
    "name_copying": "Zelda is called Zelda; Ulrich is called Ulrich; ⟨s⟩ is called",
    "noun_to_pronoun": "aviator: he; brunette: she; pebble: it; hikers: they; ⟨s⟩:",
    "english_to_spanish": "English: lemon, Spanish: limón. English: spoon, Spanish: cuchara. English: ⟨s⟩, Spanish:",
}
