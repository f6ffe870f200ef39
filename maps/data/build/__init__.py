"""Scripts that build the committed data files; not part of the installed package."""
