"""PipeRun: the sales system where qualified leads become companies, persons, deals and notes."""

from tools.vendors.piperun.crm import PipeRunCrm

__all__ = ["PipeRunCrm"]
