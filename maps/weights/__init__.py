"""Checkpoints: from the name of a model to the few tensors that MAPS needs."""
