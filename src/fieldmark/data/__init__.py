"""Tables of samples, the readers that make them, and decoded pictures."""
