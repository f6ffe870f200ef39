"""Search over descriptions, tokens, relations and heads."""
