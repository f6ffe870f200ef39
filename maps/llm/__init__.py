"""A language model on a server: requests, retries, rate limits, budgets and batches."""
