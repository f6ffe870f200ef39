"""Statistics of a finished atlas: categories, similarity, breadth, identification rates."""
