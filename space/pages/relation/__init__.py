"""The pages of relations: all of them, and one with the heads that implement it."""
