"""Agreement, labels and rates, computed from judgments."""
