"""Hypothesis without deadlines: how fast a shared machine judges says nothing about the law."""

from hypothesis import settings

settings.register_profile("law", deadline=None)
settings.load_profile("law")
