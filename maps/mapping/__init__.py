"""Mapping a model into an atlas, layer by layer, and probing all heads at once."""
