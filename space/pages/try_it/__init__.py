"""The page that asks the weights about a token or a pair."""
