"""Draws a plain ad image for a product: its name and a headline on a coloured ground. Deterministic: same input, same bytes."""

from __future__ import annotations

import hashlib
import io
import textwrap
from pathlib import Path

FONT = Path(__file__).parent / "assets" / "inter-latin-600.ttf"
"""Inter, Latin subset (SIL Open Font License beside it). Pillow's own font lacks accents."""
SIZE = (1080, 1080)
"""Pixels; square fits the feeds of Meta and TikTok."""
PALETTE = (
    ((16, 42, 67), (36, 113, 163)),
    ((61, 26, 60), (165, 60, 105)),
    ((14, 60, 45), (46, 139, 87)),
    ((70, 35, 10), (200, 110, 40)),
)


def draw(name: str, headline: str, *, size: tuple[int, int] = SIZE) -> bytes:
    """PNG bytes. The colours depend on the product's name, so one product keeps one look."""
    from PIL import Image, ImageDraw, ImageFont

    width, height = size
    top, bottom = PALETTE[hashlib.sha256(name.encode()).digest()[0] % len(PALETTE)]
    column = Image.new("RGB", (1, height))
    for y in range(height):
        share = y / max(1, height - 1)
        red, green, blue = (round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
        column.putpixel((0, y), (red, green, blue))
    image = column.resize(size)
    pen = ImageDraw.Draw(image)
    margin = width // 12
    pen.rectangle((margin, margin, margin + width // 9, margin + height // 90), fill=(255, 255, 255))
    title = ImageFont.truetype(FONT, size=width // 12)
    small = ImageFont.truetype(FONT, size=width // 24)
    pen.multiline_text(
        (margin, height * 0.18), "\n".join(textwrap.wrap(name, 18)), font=title, fill=(255, 255, 255), spacing=width // 60
    )
    words = "\n".join(textwrap.wrap(headline, 40))
    pen.multiline_text((margin, height * 0.72), words, font=small, fill=(235, 240, 245), spacing=width // 90)
    out = io.BytesIO()
    image.save(out, format="PNG", optimize=True)
    return out.getvalue()
