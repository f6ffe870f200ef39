"""What a finished atlas says about a model's heads."""
