"""The sentences that a model is run on, with a place for the subject ⟨s⟩: data alone.

The first prompt of the correlation and the tasks of capitals and languages are the paper's; it gives no others.
No example in a task is a source of the relation's pairs.
"""

from __future__ import annotations

SUBJECT = "⟨s⟩"
PAPERS_PROMPT = "This is a document about ⟨s⟩"
FURTHER_PROMPTS = (
    "Everybody who knows about ⟨s⟩ agrees",
    "She wrote ⟨s⟩ on the wall",
    "Because of ⟨s⟩ they came back to",
)
PROMPTS = {"paper": (PAPERS_PROMPT,), "all": (PAPERS_PROMPT, *FURTHER_PROMPTS)}
TASKS = {
    "country_to_capital": "The capital of ⟨s⟩ is",
    "country_to_language": "The official language of ⟨s⟩ is",
    "object_to_superclass": "The word ⟨s⟩ is the name of a kind of",
    "product_by_company": "Corolla is made by Toyota; Walkman is made by Sony; ⟨s⟩ is made by",
    "adj_to_comparative": "silly becomes sillier; pale becomes paler; ⟨s⟩ becomes",
    "verb_to_past_tense": "Today they sneeze, yesterday they sneezed. Today they ⟨s⟩, yesterday they",
    "word_to_first_letter": "The word lemon begins with l; the word tiger begins with t; the word ⟨s⟩ begins with",
    "word_to_last_letter": "The word lemon ends with n; the word tiger ends with r; the word ⟨s⟩ ends with",
    "year_to_following": "The year 1203 comes before 1204; the year 1341 comes before 1342; the year ⟨s⟩ comes before",
    "copying": "lemon is lemon; tiger is tiger; ⟨s⟩ is",
    "name_copying": "Zelda is called Zelda; Ulrich is called Ulrich; ⟨s⟩ is called",
    "noun_to_pronoun": "aviator: he; stewardess: she; pebble: it; hikers: they; ⟨s⟩:",
    "english_to_spanish": "English to Spanish: lemon means limón; tiger means tigre; ⟨s⟩ means",
}
