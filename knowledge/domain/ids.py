"""Ids that follow from what they name, so that doing a thing twice makes one row."""

from __future__ import annotations

import hashlib

_NAMESPACE = bytes.fromhex("6ba7b8119dad11d180b400c04fd430c8")
"""The URL namespace."""


def derived(name: str) -> str:
    """The name's UUID of version 5 in the URL namespace (RFC 9562, 5.5) as text: `str(uuid.uuid5(uuid.NAMESPACE_URL, name))`.

    Without the two UUID objects that the standard library makes on the way: they take most of its time.
    """
    raw = bytearray(hashlib.sha1(_NAMESPACE + name.encode(), usedforsecurity=False).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x50
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
