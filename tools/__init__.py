"""What may be done, and the law over it."""
