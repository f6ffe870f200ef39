"""MAPS: what an attention head does, read from its weights."""
