"""Evidence for descriptions: detection scores, support of named checks, and how concentrated the targets are."""
