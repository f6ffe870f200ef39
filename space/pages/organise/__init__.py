"""The organiser's page."""
