"""The studies that the app serves, and who may see their answers."""
