"""The commands, one file each: `add` declares the arguments, `run` does the work."""
