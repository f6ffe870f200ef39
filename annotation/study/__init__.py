"""A study: its sample of items, its file, and which item comes next."""
