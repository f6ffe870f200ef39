"""The commands, one file each: `add` describes the arguments, `run` does the work."""
