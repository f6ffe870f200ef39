"""The Hugging Face Hub: one client for repositories, retries and error messages."""
