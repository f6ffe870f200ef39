"""The page of models: a list for visitors; mapping, describing, measuring and pushing for organisers."""
