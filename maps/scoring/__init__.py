"""Evidence for descriptions: detection scores, supported checks, and how concentrated the targets are."""
