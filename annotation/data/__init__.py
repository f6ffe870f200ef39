"""The practice examples as a file, made by hand from plain words."""
