"""From a model to its atlas, layer by layer."""
