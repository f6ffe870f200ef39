"""The atlases that the app shows: opening them, and cached results over all their heads."""
