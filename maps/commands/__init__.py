"""The commands of MAPS, one file a command: `add` declares its arguments, `run` does it."""
