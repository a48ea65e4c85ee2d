"""Local twins of the outside services: their wire formats, a market that reacts, lead personas, faults, a simulated clock.

Nothing here imports a client of ours: a twin written from the same code as its client would prove nothing.
"""
