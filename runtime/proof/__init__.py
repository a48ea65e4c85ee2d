"""The proof that money cannot leak: books without a database, a world that keeps its own book, and steps without end."""
