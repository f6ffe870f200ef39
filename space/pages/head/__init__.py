"""A head's page."""
