"""An exported file of daily (or hourly) figures, read row by row; what cannot be used is listed with its line and reason."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

from runtime.backtest.columns import WHAT, Columns, recognise

NO_DATA = frozenset({"", "-", "--", "—", "null", "none", "nan", "n/a", "na", "#error!", "#n/a"})
NUMERIC = ("impressions", "clicks", "spend", "spend_micros", "conversions", "revenue", "roas")
PURCHASES = ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase", "onsite_web_purchase")


class Unusable(ValueError):
    """The file cannot be backtested; the message names what is missing and what would help."""


@dataclass(frozen=True)
class Bad:
    """A row that was left out: physical line, column (None = the whole row), its value, and why."""

    line: int
    column: str | None
    value: str | None
    reason: str


@dataclass(frozen=True)
class Row:
    """One usable row. Money in the file's currency, major units; None = the file does not report it."""

    line: int
    day: date
    hour: int | None
    campaign: str
    platform: str
    impressions: float | None
    clicks: float | None
    spend: float
    conversions: float
    revenue: float


@dataclass
class Export:
    """A read file: usable rows, the bad ones, and what had to be assumed."""

    columns: Columns
    rows: list[Row]
    bad: list[Bad]
    read: int
    currency: str | None
    notes: list[str] = field(default_factory=list)


def read_export(path: Path) -> Export:
    """Reads a CSV/TSV export (any common delimiter, UTF-8 with or without mark, UTF-16, Windows-1252).

    Raises Unusable when there is no header row we understand, when required columns are missing, or no row is usable.
    """
    text = _decode(path)
    if not text.strip():
        raise Unusable(f"{path.name} is empty: expected a header row and one row per campaign and day.")
    cells = list(_records(text))
    position, columns = _header(path, cells)
    body = [record for record in cells[position + 1 :] if any(cell.strip() for cell in record[1])]
    if columns.missing:
        raise Unusable(_missing_message(path, columns))
    reader = _RowReader(columns, body)
    for line, record in body:
        reader.take(line, record)
    export = reader.export(len(body))
    if not export.rows:
        first = "; ".join(f"line {b.line}, {b.column or 'row'}: {b.reason}" for b in export.bad[:3]) or "no rows"
        raise Unusable(f"{path.name}: none of {len(body)} rows is usable ({first}).")
    return export


def _decode(path: Path) -> str:
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    sample = [line for line in text.splitlines()[:20] if line.strip()]
    delimiter = max(",;\t|", key=lambda mark: (sorted(line.count(mark) for line in sample)[len(sample) // 2], mark == ","))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    line = 1
    try:
        for record in reader:
            yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise Unusable(f"line {line}: not readable as CSV ({error}).") from error


def _header(path: Path, cells: list[tuple[int, list[str]]]) -> tuple[int, Columns]:
    # Some exports put a title and a period above the header: the header is the row that names most of what is needed.
    best: tuple[int, int, Columns] | None = None
    for position, (_, record) in enumerate(cells[:15]):
        columns = recognise(record)
        known = len(columns.index) - len(columns.guessed)
        if best is None or known > best[0]:
            best = (known, position, columns)
    if best is None or best[0] < 2:
        seen = ", ".join(cell.strip() for cell in cells[0][1][:8]) if cells else ""
        raise Unusable(
            f"{path.name} has no header row with usable columns. Needed: {'; '.join(WHAT.values())}. First row seen: {seen}"
        )
    return best[1], best[2]


def _missing_message(path: Path, columns: Columns) -> str:
    wanted = "; ".join(f"{name}: {WHAT[name]}" for name in columns.missing)
    seen = ", ".join(columns.header)
    names = {cell.lower() for cell in columns.header}
    hint = ""
    if {"ad_id", "inline_link_clicks"} <= names:
        hint = (
            " This looks like the delivery half of a Meta export: join it with the actions (action_type purchase: number and value)"
            " on ad and date."
        )
    elif {"action_type", "value"} <= names:
        hint = (
            " This looks like the actions half of a Meta export: join it with the delivery figures (spend, clicks) on ad and date."
        )
    return f"{path.name} cannot be backtested. Missing {wanted}. Columns seen: {seen}.{hint}"


class _RowReader:
    def __init__(self, columns: Columns, body: list[tuple[int, list[str]]]) -> None:
        self.columns = columns
        self.rows: list[Row] = []
        self.bad: list[Bad] = []
        self.notes: list[str] = []
        self.seen: dict[tuple[str, ...], int] = {}
        self.currencies: set[str] = {columns.currency} if columns.currency else set()
        self.names: dict[str, str] = {}
        numbers = [columns.index[name] for name in NUMERIC if name in columns.index]
        self.comma = _comma_decimals([r[i] for _, r in body for i in numbers if i < len(r)], columns.portuguese)
        self.day_first = self._day_first(body)
        # Meta leaves a metric out when it is zero (its reference says so); elsewhere a blank is a missing figure.
        header = {cell.lower() for cell in columns.header}
        self.blank_is_zero = any(name.startswith(("amount spent", "valor usado")) for name in header) or "actions" in header
        if self.blank_is_zero:
            self.notes.append("Meta leaves metrics of zero out: blank purchases and purchase values were read as 0.")
        for name, written in columns.guessed.items():
            self.notes.append(f'Column "{written}" was taken for {name} by its near spelling.')
        if "revenue" not in columns.index:
            self.notes.append("Revenue was computed as ROAS times spend.")
        if not {"campaign", "campaign_id"} & set(columns.index):
            self.notes.append("No campaign column: the whole file was taken for one campaign.")

    def take(self, line: int, record: list[str]) -> None:
        if len(record) != len(self.columns.header):
            expected = len(self.columns.header)
            self._reject(line, None, f"{len(record)} cells", f"{len(record)} cells where the header has {expected}")
            return
        moment = self._moment(line, record)
        campaign = self._campaign(line, record)
        if moment is None or campaign is None:
            return
        figures = self._figures(line, record)
        if figures is None:
            return
        key = (campaign, str(moment), *(record[i].strip() for i in self.columns.segments))
        if key in self.seen:
            self._reject(line, None, campaign, f"duplicate: line {self.seen[key]} has the same campaign and time")
            return
        self.seen[key] = line
        if "currency" in self.columns.index and (code := record[self.columns.index["currency"]].strip().upper()):
            self.currencies.add(code)
        platform = record[self.columns.index["platform"]].strip().lower() if "platform" in self.columns.index else ""
        self.rows.append(Row(line, *moment, campaign, platform, **figures))

    def export(self, read: int) -> Export:
        if len(self.currencies) > 1:
            raise Unusable(
                f"More than one currency in the file ({', '.join(sorted(self.currencies))}): split it by currency, "
                "amounts are not converted."
            )
        rows = self._labelled()
        return Export(self.columns, rows, self.bad, read, next(iter(self.currencies), None), self.notes)

    def _labelled(self) -> list[Row]:
        # Ids decide what one campaign is; names are what people read. Two ids with one name keep the id beside it.
        shared = [name for name in self.names.values()]
        label = {key: (name if shared.count(name) == 1 else f"{name} ({key})") if name else key for key, name in self.names.items()}
        return [
            Row(r.line, r.day, r.hour, label[r.campaign], r.platform, r.impressions, r.clicks, r.spend, r.conversions, r.revenue)
            for r in self.rows
        ]

    def _reject(self, line: int, column: str | None, value: str | None, reason: str) -> None:
        self.bad.append(Bad(line, column, value, reason))

    def _campaign(self, line: int, record: list[str]) -> str | None:
        index = self.columns.index
        key = record[index["campaign_id"]].strip() if "campaign_id" in index else ""
        name = record[index["campaign"]].strip() if "campaign" in index else ""
        if not {"campaign_id", "campaign"} & set(index):
            key = name = "whole file"
        if not (key or name):
            column = self.columns.header[index.get("campaign_id", index.get("campaign", 0))]
            self._reject(line, column, "", "missing campaign")
            return None
        self.names.setdefault(key or name, name)
        return key or name

    def _moment(self, line: int, record: list[str]) -> tuple[date, int | None] | None:
        i = self.columns.index["date"]
        text = record[i].strip()
        if text.lower() in NO_DATA:
            self._reject(line, self.columns.header[i], text, "missing date")
            return None
        moment = _parse_date(text, self.day_first)
        if moment is None:
            self._reject(line, self.columns.header[i], text, "not a date")
            return None
        if "hour" in self.columns.index:
            hour = record[self.columns.index["hour"]].strip()
            if not re.fullmatch(r"[01]?\d|2[0-3]", hour):
                self._reject(line, self.columns.header[self.columns.index["hour"]], hour, "not an hour (0-23)")
                return None
            moment = (moment[0], int(hour))
        return moment

    def _figures(self, line: int, record: list[str]) -> dict[str, Any] | None:
        values: dict[str, float | None] = {}
        for name in NUMERIC:
            if name not in self.columns.index:
                continue
            i = self.columns.index[name]
            text, column = record[i].strip(), self.columns.header[i]
            if text.lower() in NO_DATA:
                if name in ("conversions", "revenue", "roas") and self.blank_is_zero and text == "":
                    values[name] = 0.0
                    continue
                self._reject(line, column, text, "no value")
                return None
            value = _meta_actions(text) if text.startswith("[") else parse_number(text, comma=self.comma)
            if value is None:
                self._reject(line, column, text, "not a number")
                return None
            if value < 0:
                self._reject(line, column, text, "negative")
                return None
            values[name] = value
        spend = values.get("spend")
        if spend is None:
            micros = values.get("spend_micros")
            spend = None if micros is None else micros / 1_000_000
        revenue = values.get("revenue")
        if revenue is None and spend is not None and values.get("roas") is not None:
            revenue = spend * cast("float", values["roas"])
        clicks, impressions = values.get("clicks"), values.get("impressions")
        if clicks is not None and impressions is not None and clicks > impressions:
            column = self.columns.header[self.columns.index["clicks"]]
            self._reject(line, column, f"{clicks:g}", f"more clicks than impressions ({impressions:g})")
            return None
        return {
            "impressions": impressions,
            "clicks": clicks,
            "spend": spend,
            "conversions": values.get("conversions"),
            "revenue": revenue,
        }

    def _day_first(self, body: list[tuple[int, list[str]]]) -> bool:
        i = self.columns.index["date"]
        first = second = slashed = 0
        for _, record in body:
            match = re.match(r"(\d{1,2})[/.\-](\d{1,2})[/.\-]\d{4}", record[i].strip()) if i < len(record) else None
            if match:
                slashed += 1
                first, second = max(first, int(match[1])), max(second, int(match[2]))
        if first > 12 or second > 12 or not slashed:
            return first > 12
        order = "day/month/year" if self.columns.portuguese or self.comma else "month/day/year"
        self.notes.append(f"Dates could be read two ways; {order} was taken.")
        return order.startswith("day")


def _comma_decimals(cells: list[str], portuguese: bool) -> bool:
    comma = dot = 0
    for cell in cells:
        text = re.sub(r"[^\d.,]", "", cell)
        if re.fullmatch(r"\d{1,3}(\.\d{3})+,\d+|\d+,(\d{1,2}|\d{4,})|\d{1,3}(\.\d{3}){2,}", text):
            comma += 1
        elif re.fullmatch(r"\d{1,3}(,\d{3})+\.\d*|\d+\.(\d{0,2}|\d{4,})|\d{1,3}(,\d{3}){2,}", text):
            dot += 1
    return comma > dot or (comma == dot and portuguese)


def parse_number(text: str, *, comma: bool) -> float | None:
    """A number as people write it: currency marks, thousands and decimals of either style. None when it is none."""
    bare = re.sub(r"^(R\$|US\$|[A-Z]{3}\b|[$€£])\s*|\s*(%|[A-Z]{3})$|[\s\u00a0\u202f]", "", text.strip())
    negative = bare.startswith("-") or re.fullmatch(r"\(.*\)", bare) is not None
    bare = re.sub(r"^(R\$|US\$|[$€£])", "", bare.strip("()").lstrip("+-"))
    thousand, decimal = (".", ",") if comma else (",", ".")
    pattern = rf"(\d{{1,3}}(?:{re.escape(thousand)}\d{{3}})+|\d+)?(?:{re.escape(decimal)}(\d*))?(?:[eE]([+-]?\d{{1,2}}))?"
    match = re.fullmatch(pattern, bare)
    if not match or not (match[1] or match[2]):
        return None
    value = float(f"{(match[1] or '0').replace(thousand, '')}.{match[2] or '0'}e{match[3] or '0'}")
    return -value if negative else value


def _meta_actions(text: str) -> float | None:
    """Purchases in a Meta `actions` or `action_values` cell: a list of {action_type, value}; none listed = 0."""
    try:
        entries = json.loads(text.replace("'", '"'))
    except json.JSONDecodeError:
        return None
    found: dict[str, float] = {}
    for entry in cast("list[Any]", entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            kind, value = cast("dict[str, Any]", entry).get("action_type"), cast("dict[str, Any]", entry).get("value")
            number = parse_number(str(value), comma=False)
            if isinstance(kind, str) and number is not None:
                found[kind] = number
    # The kinds overlap (omni contains the others), so one is taken, never their sum.
    return next((found[kind] for kind in PURCHASES if kind in found), 0.0)


def _parse_date(text: str, day_first: bool) -> tuple[date, int | None] | None:
    """A calendar day of the account, with the hour when the cell has one."""
    stamp = text.strip()
    iso = re.match(r"(\d{4})[-/.]?(\d{2})[-/.]?(\d{2})(?:[T ](\d{1,2})(?::\d{2}.*)?)?$", stamp)
    other = re.match(r"(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4})(?:[T ](\d{1,2})(?::\d{2}.*)?)?$", stamp)
    try:
        if iso:
            return date(int(iso[1]), int(iso[2]), int(iso[3])), _hour(iso[4])
        if other:
            day, month = (int(other[1]), int(other[2])) if day_first else (int(other[2]), int(other[1]))
            return date(int(other[3]), month, day), _hour(other[4])
    except ValueError:
        return None
    for form in ("%b %d, %Y", "%d %b %Y", "%B %d, %Y"):
        try:
            return datetime.strptime(stamp, form).replace(tzinfo=UTC).date(), None
        except ValueError:
            continue
    return None


def _hour(text: str | None) -> int | None:
    if text is None:
        return None
    if int(text) > 23:
        raise ValueError(text)
    return int(text)
