"""What the house knows: its words (domain), its texts (catalogue), and how to find them (library)."""
