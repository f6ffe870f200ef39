"""The atlas: the tables on disk that hold everything computed for one model."""
