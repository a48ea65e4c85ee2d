"""`ceo backtest FILE`: the engine over real exported figures as if day by day; decisions, reasons, and what they would be worth."""

from runtime.backtest.output import run

__all__ = ["run"]
