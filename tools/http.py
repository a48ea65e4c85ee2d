"""The one maker of HTTP clients. Reads are retried; writes need a permit of the gate and are never blindly repeated."""

from __future__ import annotations

import asyncio
import json as jsonlib
import logging
import time
import weakref
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx
import stamina
import structlog
from prometheus_client import Counter, Gauge
from pyrate_limiter import Limiter, Rate

from knowledge.domain.clock import Clock
from knowledge.domain.policy import Operational
from tools.breaker import CircuitBreaker, State
from tools.errors import NoPermit, RateLimited, Refused, Unauthorized, Unavailable, UnknownOutcome, VendorError
from tools.permit import current_permit

REQUESTS = Counter("ceo_vendor_requests_total", "Requests to vendors by result", ["vendor", "operation", "result"])
BREAKER = Gauge("ceo_vendor_breaker_open", "1 while the circuit breaker of a vendor account is open", ["vendor", "account"])

_SECRET_NAMES = ("token", "secret", "key", "auth", "proof", "password")
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_log = structlog.get_logger("tools.http")


def _no_urls_below_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


# httpx logs every URL at INFO and httpcore every header at DEBUG; some vendors carry the token in both.
for _name in ("httpx", "httpcore", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy"):
    logging.getLogger(_name).addFilter(_no_urls_below_warning)


@dataclass(frozen=True)
class Answer:
    """A vendor's whole answer. `data` is the parsed JSON (None for an empty body); header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    data: Any

    @property
    def ok(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300


Translate = Callable[[Answer, str], VendorError | None]
"""(answer, operation) -> what it means, or None when it is a success (2xx) or the standard reading of the status will do."""


class CircuitOpen(Unavailable):
    """The breaker of this account is open: nothing was sent. It closes by itself once the vendor answers again."""


class _Later(Unavailable):
    """Unavailable, with the vendor's own Retry-After in seconds."""

    retry_after: float = 0.0


class VendorHttp:
    """HTTP to one account of one vendor.

    `headers` and `params` go with every request (credentials belong there or in `base_url`); values whose name speaks of a
    token, secret, key, auth, proof or password, and everything in `secrets`, are blotted out of logs and exception texts.
    `prepare` may sign a built request. `translate` reads the vendor's error envelope. `observe` sees every answer and may
    return seconds for which writes must rest (usage headers). `per_second` is the pace of requests for this account.
    `limits` are the policy's dials of tries, waits and breaker; a `breaker` given stands in for the one made of them.
    `connect_timeout` bounds the wait for a free connection, and then that for a new one.
    `clock` is only used to read a Retry-After given as a date. `transport` replaces the network in tests.
    """

    def __init__(
        self,
        vendor: str,
        base_url: str,
        *,
        account: str = "default",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        secrets: tuple[str, ...] = (),
        prepare: Callable[[httpx.Request], None] | None = None,
        translate: Translate | None = None,
        observe: Callable[[Answer], float | None] | None = None,
        timeout: float = 20.0,
        connect_timeout: float = 5.0,
        per_second: int = 10,
        limits: Operational | None = None,
        max_request_bytes: int = 32 * 1024 * 1024,
        max_response_bytes: int = 16 * 1024 * 1024,
        breaker: CircuitBreaker | None = None,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.vendor = vendor
        self.account = account
        limits = limits or Operational()
        self.breaker = breaker or CircuitBreaker(
            monotonic, failures=limits.breaker_failures, cooldown=float(limits.breaker_seconds)
        )
        self._base_url = base_url
        self._headers = dict(headers or {})
        self._params = dict(params or {})
        named = [v for group in (self._headers, self._params) for k, v in group.items() if _is_secret_name(k)]
        # Longest first, so that a secret holding another one is blotted out whole.
        self._secrets = sorted({form for s in (*secrets, *named) if s for form in (s, quote(s, safe=""))}, key=len, reverse=True)
        self._prepare = prepare
        self._translate = translate
        self._observe = observe
        self._timeout, self._connect = timeout, connect_timeout
        self._limiter = Limiter(Rate(per_second, 1000))
        self._tries = limits.attempts
        self._wait, self._longest = float(limits.first_wait_seconds), float(limits.longest_wait_seconds)
        self._max_request, self._max_response = max_request_bytes, max_response_bytes
        self._clock, self._monotonic, self._sleep = clock, monotonic, sleep
        self._transport = transport
        self._writes_rest_until = 0.0
        # A client belongs to the event loop that made it; durable jobs may run on another one than the web server.
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = weakref.WeakKeyDictionary()

    @property
    def breaker_state(self) -> State:
        """closed, open or half_open; for metrics and health pages."""
        return self.breaker.state

    @property
    def writes_rest_for(self) -> float:
        """Seconds until writes of this account may go again after a rate limit; 0 when they may go now."""
        return max(0.0, self._writes_rest_until - self._monotonic())

    def rest_writes(self, seconds: float) -> None:
        """Holds all writes of this account for so long (never shortens an earlier hold)."""
        self._writes_rest_until = max(self._writes_rest_until, self._monotonic() + seconds)

    def redact(self, text: str) -> str:
        """The text without this account's secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    async def read(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
        parse: bool = True,
        limit_rests_writes: bool = True,
    ) -> Answer:
        """A request that changes nothing (a POST search counts). Tried as often as the dials say on Unavailable and on short limits.

        `limit_rests_writes=False` is for reads with a quota of their own; `seconds` replaces the usual timeout. Raises Refused,
        Unauthorized, RateLimited, Unavailable (CircuitOpen).
        """
        call = _Call(method, path, operation, params, json, None, None, headers, seconds, parse)

        def again(error: Exception) -> bool | float:
            if isinstance(error, RateLimited):
                return error.retry_after if error.retry_after <= self._longest else False
            if isinstance(error, _Later):
                return error.retry_after if error.retry_after <= self._longest else False
            return isinstance(error, Unavailable) and not isinstance(error, CircuitOpen)

        async for attempt in stamina.retry_context(
            on=again, attempts=self._tries, timeout=None, wait_initial=self._wait, wait_max=self._longest, wait_jitter=self._wait
        ):
            with attempt:
                try:
                    return await self._once(call, write=False)
                except RateLimited as error:
                    if limit_rests_writes:
                        self.rest_writes(error.retry_after)
                    raise
        raise AssertionError("stamina ends by returning or raising")

    async def write(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Mapping[str, Any] | None = None,
        files: Any = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
        parse: bool = True,
    ) -> Answer:
        """A request that changes something, sent at most once.

        The permit's guard is asked when a connection stands and the first byte is about to leave: no wait lies between its yes
        and the write. Raises NoPermit outside the gate, Killed when the guard says so (nothing left), RateLimited without
        sending while writes of this account rest, Unavailable when nothing can have been committed, UnknownOutcome when the
        answer was lost or broken after sending (look it up, never repeat), Refused or Unauthorized when the vendor said no.
        """
        permit = current_permit()
        if permit is None:
            raise NoPermit(f"{self.vendor} {operation}: a write outside the gate; submit an action to tools.gate instead")
        if self.writes_rest_for > 0:
            raise RateLimited(
                self.vendor, operation, "writes of this account rest after a rate limit; nothing was sent",
                retry_after=self.writes_rest_for,
            )  # fmt: skip
        try:
            call = _Call(method, path, operation, params, json, data, files, headers, seconds, parse)
            return await self._once(call, write=True, guard=permit.guard)
        except RateLimited as error:
            self.rest_writes(error.retry_after)
            raise

    async def aclose(self) -> None:
        """Closes the connections of the running loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def _client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            # A short keep-alive: a connection that the vendor closes just as we write would look like a lost answer.
            client = self._clients[loop] = httpx.AsyncClient(
                base_url=self._base_url, headers=self._headers, params=self._params,
                follow_redirects=False, transport=self._transport, trust_env=False,
                limits=httpx.Limits(max_connections=20, max_keepalive_connections=5, keepalive_expiry=2.0),
            )  # fmt: skip
        return client

    async def _once(self, call: _Call, *, write: bool, guard: Callable[[], Awaitable[None]] | None = None) -> Answer:
        started = self._monotonic()
        result = "ok"
        try:
            return await self._attempt(call, write, guard)
        except VendorError as error:
            result = type(error).__name__
            raise
        except BaseException as error:
            result = type(error).__name__
            raise
        finally:
            REQUESTS.labels(self.vendor, call.operation, result).inc()
            BREAKER.labels(self.vendor, self.account).set(1 if self.breaker.state == "open" else 0)
            _log.info(
                "vendor.request", vendor=self.vendor, account=self.redact(self.account), operation=call.operation,
                method=call.method, write=write, result=result, ms=round((self._monotonic() - started) * 1000),
            )  # fmt: skip

    async def _attempt(self, call: _Call, write: bool, guard: Callable[[], Awaitable[None]] | None) -> Answer:
        if not self.breaker.admit():
            detail = "the circuit is open after repeated failures; nothing was sent"
            raise CircuitOpen(self.vendor, call.operation, detail)
        settled = False
        try:
            while not self._limiter.try_acquire(self.account, blocking=False):
                await self._sleep(0.05)
            client = self._client()
            request = client.build_request(
                call.method, call.path, params=call.params, json=call.json, data=call.data, files=call.files,
                headers=call.headers, timeout=httpx.Timeout(
                    self._timeout if call.seconds is None else call.seconds, connect=self._connect, pool=self._connect
                ),
            )  # fmt: skip
            self._check_size(request, call.operation)
            if self._prepare is not None:
                self._prepare(request)
            if guard is not None and self._transport is None:
                request.extensions["trace"] = _asked_last(guard)
            elif guard is not None:
                await guard()  # a stand-in for the network connects to nothing, and tells of no first byte
            try:
                answer = await self._exchange(client, request, call, write)
                error = self._meaning(answer, call, write)
            except VendorError as caught:
                answer, error = None, caught
            settled = True
            if isinstance(error, (Unavailable, UnknownOutcome)):
                self.breaker.failed()
            else:
                self.breaker.succeeded()
            if answer is not None and self._observe is not None:
                rest = self._observe(answer)
                if rest:
                    self.rest_writes(rest)
            if error is not None:
                # `from None`: the transport's own exception holds the request, and with it the token.
                raise self._clean(error) from None
            assert answer is not None
            return answer
        finally:
            if not settled:
                self.breaker.abandoned()

    def _check_size(self, request: httpx.Request, operation: str) -> None:
        size = int(request.headers.get("content-length", 0))
        if size > self._max_request:
            raise Refused(self.vendor, operation, f"request of {size} bytes; at most {self._max_request} are sent")

    async def _exchange(self, client: httpx.AsyncClient, request: httpx.Request, call: _Call, write: bool) -> Answer:
        def lost(why: str) -> VendorError:
            return (UnknownOutcome if write else Unavailable)(self.vendor, call.operation, why)

        try:
            response = await client.send(request, stream=True)
            try:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > self._max_response:
                        detail = f"answer of more than {self._max_response} bytes"
                        raise lost(detail) if write else Refused(self.vendor, call.operation, detail)
            finally:
                await response.aclose()
        except _NEVER_SENT as error:
            raise Unavailable(self.vendor, call.operation, f"no connection ({type(error).__name__})") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise lost(f"the answer was lost ({type(error).__name__})") from None
        data: Any = None
        if call.parse and body:
            try:
                data = jsonlib.loads(bytes(body))
            except ValueError:
                if response.is_success:
                    raise lost(f"HTTP {response.status_code} with a body that is not JSON") from None
        return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, bytes(body), data)

    def _meaning(self, answer: Answer, call: _Call, write: bool) -> VendorError | None:
        error = self._translate(answer, call.operation) if self._translate is not None else None
        if error is None and not answer.ok:
            error = self._by_status(answer, call.operation)
        if write and isinstance(error, Unavailable):
            # "Temporarily unavailable" after a POST has been seen with the object created all the same.
            return UnknownOutcome(self.vendor, call.operation, error.detail, error.code)
        return error

    def _by_status(self, answer: Answer, operation: str) -> VendorError:
        status, code = answer.status, str(answer.status)
        retry_after = self._retry_after(answer)
        if status == 429:
            wait = 60.0 if retry_after is None else retry_after
            return RateLimited(self.vendor, operation, "too many requests", code, wait)
        if status in (401, 403):
            return Unauthorized(self.vendor, operation, _excerpt(answer) or "not authorized", code)
        if status >= 500 or status == 408:
            if retry_after is None:
                return Unavailable(self.vendor, operation, f"HTTP {status}", code)
            later = _Later(self.vendor, operation, f"HTTP {status}", code)
            later.retry_after = retry_after
            return later
        if 300 <= status < 400:
            return Refused(self.vendor, operation, "answered with a redirect, which is never followed; check the base URL", code)
        return Refused(self.vendor, operation, _excerpt(answer) or f"HTTP {status}", code)

    def _retry_after(self, answer: Answer) -> float | None:
        """Seconds of a Retry-After header (delta or HTTP date, RFC 9110 10.2.3), or None."""
        value = answer.headers.get("retry-after")
        if value is None:
            return None
        with suppress(ValueError):
            return max(0.0, float(value))
        if self._clock is not None:
            with suppress(ValueError, TypeError):
                return max(0.0, (parsedate_to_datetime(value) - self._clock.now()).total_seconds())
        return None

    def _clean(self, error: VendorError) -> VendorError:
        error.detail = self.redact(error.detail)
        error.args = tuple(self.redact(a) if isinstance(a, str) else a for a in error.args)
        return error


@dataclass(frozen=True)
class _Call:
    method: str
    path: str
    operation: str
    params: Mapping[str, Any] | None
    json: Any
    data: Mapping[str, Any] | None
    files: Any
    headers: Mapping[str, str] | None
    seconds: float | None
    parse: bool


def _asked_last(guard: Callable[[], Awaitable[None]]) -> Callable[[str, Any], Awaitable[None]]:
    """httpcore's trace of one request that asks the guard before the first byte. What the guard raises ends the request there,
    closes its connection, and comes out of httpx as it is."""

    async def trace(event: str, _info: Any) -> None:
        if event.endswith(".send_request_headers.started"):
            await guard()

    return trace


def _is_secret_name(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET_NAMES)


def _excerpt(answer: Answer) -> str:
    """The start of an answer's text for a person to read; markup is left out."""
    text = answer.body[:400].decode("utf-8", "replace").strip()
    return "" if text.startswith("<") else " ".join(text.split())[:300]
