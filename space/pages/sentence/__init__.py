"""One head on a visitor's own sentence."""
