"""Live questions about a model's weights, answered in a child process."""
