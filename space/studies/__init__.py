"""The studies that the app serves, their participants, and who may see their answers."""
