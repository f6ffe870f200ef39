"""Names, pseudonyms and sealed text."""
