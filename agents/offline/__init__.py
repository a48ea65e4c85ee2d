"""The brains of the offline model: deterministic, labelled, and pure functions of what was said.

They stand in for a language model where no key is configured. They read only the messages of the run, so they survive restarts and
deep copies, and they reach the house only through the tools that were offered, exactly as a hosted model does.
"""
