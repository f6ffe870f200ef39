"""Two models, or two describers of one model, side by side."""
