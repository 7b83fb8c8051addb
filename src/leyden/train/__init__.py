"""Training, and everything that reads labelled data."""
