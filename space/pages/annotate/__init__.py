"""The annotator's page."""
