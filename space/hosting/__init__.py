"""Hosting on Hugging Face: deploying the app to a Space, trying it out locally first, and running Jobs."""
