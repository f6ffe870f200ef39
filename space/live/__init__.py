"""Questions about a model's weights, answered by a child process."""
