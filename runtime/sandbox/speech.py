"""Voice notes without a voice: real Ogg/Opus containers of silence whose comment header carries the words.

Personas "speak" with it and the transcription twin "hears" it, so the audio path runs end to end without a model.
Layout: RFC 3533 (Ogg pages, CRC-32 0x04C11DB7), RFC 7845 (OpusHead, OpusTags, 48 kHz granules).
"""

from __future__ import annotations

import struct

_TAG = b"SANDBOX_TEXT="
_SILENCE = b"\xf8\xff\xfe"  # one 20 ms CELT frame of silence
_SERIAL = 0x5A5A
_PRESKIP = 312


def _crc_table() -> list[int]:
    table: list[int] = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = ((value << 1) ^ 0x04C11DB7) & 0xFFFFFFFF if value & 0x80000000 else (value << 1) & 0xFFFFFFFF
        table.append(value)
    return table


_CRC = _crc_table()


def _page(flags: int, granule: int, sequence: int, packets: list[bytes]) -> bytes:
    lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, _SERIAL, sequence, 0) + bytes([len(lacing)]) + lacing
    page = head + b"".join(packets)
    crc = 0
    for byte in page:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ _CRC[(crc >> 24) ^ byte]
    return page[:22] + struct.pack("<I", crc) + page[26:]


def voice_note(text: str, seconds: float) -> bytes:
    """An Ogg/Opus file of `seconds` of silence that says `text` (at most 60 kB of UTF-8) to the transcription twin."""
    comment = _TAG + text.encode()
    vendor = b"sandbox"
    tags = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + struct.pack("<II", 1, len(comment)) + comment
    pages = [_page(2, 0, 0, [b"OpusHead" + struct.pack("<BBHIhB", 1, 1, _PRESKIP, 48000, 0, 0)]), _page(0, 0, 1, [tags])]
    frames = max(1, round(seconds * 50))
    for sequence, start in enumerate(range(0, frames, 50), 2):
        count = min(50, frames - start)
        last = start + count == frames
        pages.append(_page(4 if last else 0, _PRESKIP + (start + count) * 960, sequence, [_SILENCE] * count))
    return b"".join(pages)


def words(audio: bytes) -> str | None:
    """The text a `voice_note` carries, or None for any other file."""
    start = audio.find(_TAG)
    if not audio.startswith(b"OggS") or start < 4:
        return None
    (length,) = struct.unpack("<I", audio[start - 4 : start])
    return audio[start + len(_TAG) : start + length].decode(errors="replace")
