"""How the next budget move is chosen: pure functions from history and policy to proposed actions."""

from tools.optimizer.engine import STRATEGIES, decide
from tools.optimizer.response import expected_effects

__all__ = ["STRATEGIES", "decide", "expected_effects"]
