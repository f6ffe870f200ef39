"""Long work that an organiser starts in the app: mapping, describing, measuring, pushing. Each job survives the app."""
