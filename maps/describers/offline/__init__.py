"""The offline describer: fixed rules, no language model."""
