"""Describers write down in words what the mappings of a head have in common."""
