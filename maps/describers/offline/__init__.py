"""The rule-based describer, which needs no language model."""
