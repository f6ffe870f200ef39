"""Search: heads by words of a description, by source or target, tokens, relations; in memory, one index an atlas."""
