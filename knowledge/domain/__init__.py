"""The words of the house. Pure: no I/O, no clock, no chance, no wire library."""
