"""Describers: they put the mappings of a head into words."""
