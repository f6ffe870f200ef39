"""The commands of `python -m maps`, one module each: `add` declares the arguments, `run` runs the command."""
