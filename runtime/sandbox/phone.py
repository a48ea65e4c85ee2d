"""Brazilian phone spellings as WhatsApp knows them: the ninth digit may be missing, a chat may be known by its LID only."""

from __future__ import annotations

import re


def digits(text: str) -> str:
    """The digits of a phone spelling."""
    return re.sub(r"\D", "", text)


def canonical(phone: str) -> str:
    """One spelling per person: a Brazilian mobile gets its 13 digits ("554499990000" = "5544999990000"), others stay."""
    number = digits(phone)
    if len(number) == 12 and number.startswith("55") and number[4] in "6789":
        return f"{number[:4]}9{number[4:]}"
    return number


def without_ninth(phone: str) -> str:
    """WhatsApp's older spelling of a Brazilian mobile (12 digits); other numbers as given."""
    number = canonical(phone)
    return number[:4] + number[5:] if len(number) == 13 and number.startswith("55") and number[4] == "9" else number


def plausible(phone: str) -> bool:
    """Whether a spelling could be dialled at all: 10 to 15 digits, nothing else."""
    return re.fullmatch(r"\d{10,15}", phone) is not None
