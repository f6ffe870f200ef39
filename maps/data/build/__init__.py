"""Scripts that write the committed data files. They are not part of the installed package."""
