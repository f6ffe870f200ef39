"""The report of an atlas, and one head as text."""
