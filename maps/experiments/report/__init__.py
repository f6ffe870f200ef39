"""The report of the experiments."""
