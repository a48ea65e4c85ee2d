"""What a vendor failure means for us. Adapters translate; the rest of the house only knows these."""

from __future__ import annotations


class VendorError(Exception):
    """A vendor did not do as asked. `vendor`, `operation`, `code` and `detail` are safe to log: no secret, no URL with a token."""

    def __init__(self, vendor: str, operation: str, detail: str, code: str | None = None) -> None:
        super().__init__(f"{vendor} {operation}: {detail}" + (f" (code {code})" if code else ""))
        self.vendor = vendor
        self.operation = operation
        self.detail = detail
        self.code = code


class Refused(VendorError):
    """The vendor understood and said no (bad parameter, policy, missing object). Retrying the same call is pointless."""


class Unauthorized(VendorError):
    """The credential is missing, expired or lacks a right. Alarm once; a person must mend it."""


class RateLimited(VendorError):
    """Too fast. Stop writing to that account for `retry_after` seconds."""

    def __init__(self, vendor: str, operation: str, detail: str, code: str | None = None, retry_after: float = 60.0) -> None:
        super().__init__(vendor, operation, detail, code)
        self.retry_after = retry_after


class Unavailable(VendorError):
    """The vendor is down or the network failed before the request was committed; reads may be retried."""


class UnknownOutcome(VendorError):
    """A write was sent and its answer was lost: it may have happened. Look it up before anything else."""


class NoPermit(RuntimeError):
    """Code tried to write to a vendor outside the gate. Always a programming error."""


class Killed(RuntimeError):
    """The kill switch covers this write. Nothing was sent."""
