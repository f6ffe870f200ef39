"""The atlases that the app shows."""
