"""tools.http by behaviour: permits, lost answers, retries, rests, the breaker, and silence about secrets."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

import httpx
import pytest

from knowledge.domain.policy import Operational
from tools.errors import Killed, NoPermit, RateLimited, Refused, Unauthorized, Unavailable, UnknownOutcome
from tools.http import Answer, CircuitOpen, VendorHttp
from tools.permit import Permit, current_permit, use_permit

TOKEN = "EAAB-very/secret+token"


class Vendor(httpx.AsyncBaseTransport):
    """Answers from a script (the last entry repeats) and remembers every request that left."""

    def __init__(self, *script: httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]) -> None:
        self.script = list(script)
        self.seen: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return step(request) if callable(step) else httpx.Response(step.status_code, headers=step.headers, content=step.content)


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def nothing() -> None:
    return None


SHORT = Operational(
    attempts=3, first_wait_seconds=Decimal("0.001"), longest_wait_seconds=Decimal("0.02"), breaker_failures=5, breaker_seconds=30
)
"""The dials as they are shipped, with waits that no test notices."""


def permit(guard=nothing) -> Permit:
    return Permit("a1", "key-1", frozenset({("platform", "x")}), guard)


def client(vendor: Vendor, **more) -> VendorHttp:
    return VendorHttp("x", "https://x.example/v1", params={"access_token": TOKEN}, transport=vendor, limits=SHORT, **more)


def ok(data='{"id": "1"}') -> httpx.Response:
    return httpx.Response(200, text=data)


async def test_a_write_outside_the_gate_never_leaves():
    vendor = Vendor(ok())
    with pytest.raises(NoPermit):
        await client(vendor).write("POST", "/things", operation="create")
    assert vendor.seen == []


async def test_a_write_under_a_permit_goes_once_with_the_credential():
    vendor = Vendor(ok())
    with use_permit(permit()):
        answer = await client(vendor).write("POST", "/things", operation="create", data={"name": "n"})
    assert answer.data == {"id": "1"}
    assert [r.url.params["access_token"] for r in vendor.seen] == [TOKEN]
    assert str(vendor.seen[0].url).startswith("https://x.example/v1/things?")


async def test_the_guard_is_asked_before_every_write_and_stops_it():
    vendor, asked = Vendor(ok()), []

    async def guard() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise Killed("stopped")

    http = client(vendor)
    with use_permit(permit(guard)):
        await http.write("POST", "/a", operation="a")
        with pytest.raises(Killed):
            await http.write("POST", "/b", operation="b")
    assert [r.url.path for r in vendor.seen] == ["/v1/a"]


class Stop:
    """A kill switch as a permit's guard reads it; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked, self.set = 0, False

    async def __call__(self) -> None:
        self.asked += 1
        if self.set:
            raise Killed("stopped")


@asynccontextmanager
async def town(patience: float = 0.0, listener: socket.socket | None = None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A vendor on a real socket that answers after `patience` seconds; with it, the first bytes of every connection."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while first := await reader.read(65536):
            seen.append(first)
            while b"\r\n\r\n{" not in first and first.startswith(b"POST"):
                first += await reader.read(65536)
            await asyncio.sleep(patience)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            await writer.drain()
        seen.append(b"")
        writer.close()

    given = {"sock": listener} if listener is not None else {"host": "127.0.0.1", "port": 0}
    server = await asyncio.start_server(serve, **given)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen
    finally:
        server.close()


def post(http: VendorHttp, guard) -> asyncio.Task[Answer]:
    async def go() -> Answer:
        with use_permit(permit(guard)):
            return await http.write("POST", "/budget", operation="budget.set", json={"a": 1})

    return asyncio.create_task(go())


async def test_over_a_real_connection_the_guard_is_asked_once_a_write_and_its_no_leaves_nothing_behind():
    stop = Stop()
    async with town() as (url, seen):
        http = VendorHttp("x", url)
        await post(http, stop)
        await post(http, stop)
        assert stop.asked == 2
        stop.set = True
        with pytest.raises(Killed):
            await post(http, stop)
        await asyncio.sleep(0.05)
        assert len(seen) == 3 and seen[-1] == b""  # its connection is closed, without a byte more
        assert http.breaker.failures == 0
        stop.set = False
        assert (await post(http, stop)).ok
        await http.aclose()


async def test_a_write_that_waits_for_a_free_connection_asks_after_the_wait():
    stop = Stop()
    async with town(patience=0.6) as (url, seen):
        http = VendorHttp("x", url, per_second=1000)
        reads = [asyncio.create_task(http.read("GET", "/list", operation="list")) for _ in range(20)]
        await asyncio.sleep(0.2)
        write = post(http, stop)
        await asyncio.sleep(0.1)
        assert stop.asked == 0
        stop.set = True
        with pytest.raises(Killed):
            await write
        assert stop.asked == 1
        assert all(answer.ok for answer in await asyncio.gather(*reads))  # the wait of others was not disturbed
        assert not any(first.startswith(b"POST") for first in seen)
        await http.aclose()


async def test_a_write_whose_connection_takes_long_asks_once_it_stands():
    stop = Stop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    with socket.create_connection(listener.getsockname()):  # the queue is full: the kernel drops who knocks, who knocks again
        http = VendorHttp("x", f"http://127.0.0.1:{listener.getsockname()[1]}")
        write = post(http, stop)
        await asyncio.sleep(0.2)
        assert stop.asked == 0
        stop.set = True
        async with town(listener=listener) as (_, seen):
            with pytest.raises(Killed):
                await write
            assert stop.asked == 1 and not any(seen)
    await http.aclose()


async def test_a_write_that_finds_no_free_connection_soon_is_unavailable_and_never_asked():
    stop = Stop()
    async with town(patience=1.0) as (url, seen):
        http = VendorHttp("x", url, per_second=1000, connect_timeout=0.2)
        reads = [asyncio.create_task(http.read("GET", "/list", operation="list")) for _ in range(20)]
        await asyncio.sleep(0.1)
        with pytest.raises(Unavailable, match="PoolTimeout"):
            await post(http, stop)
        assert stop.asked == 0
        await asyncio.gather(*reads)
        assert not any(first.startswith(b"POST") for first in seen)
        await http.aclose()


async def test_a_permit_ends_with_its_block_even_in_tasks_started_inside():
    gate = asyncio.Event()

    async def later() -> Permit | None:
        await gate.wait()
        return current_permit()

    with use_permit(permit()):
        assert current_permit() is not None
        task = asyncio.create_task(later())
        await asyncio.sleep(0)
    gate.set()
    assert await task is None
    assert current_permit() is None


@pytest.mark.parametrize(
    "lost",
    [
        httpx.Response(500, text='{"error": {}}'),
        httpx.Response(502, text="<html>502</html>"),
        httpx.Response(503, headers={"Retry-After": "0"}),
        httpx.Response(200, text="<html>half a pa"),
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("closed"),
    ],
)
async def test_a_write_whose_answer_is_lost_is_unknown_and_sent_once(lost):
    vendor = Vendor(lost)
    with use_permit(permit()), pytest.raises(UnknownOutcome):
        await client(vendor).write("POST", "/things", operation="create")
    assert len(vendor.seen) == 1


async def test_a_write_that_found_no_connection_is_unavailable_and_not_repeated():
    vendor = Vendor(httpx.ConnectError("refused"))
    with use_permit(permit()), pytest.raises(Unavailable) as caught:
        await client(vendor).write("POST", "/things", operation="create")
    assert not isinstance(caught.value, UnknownOutcome)
    assert len(vendor.seen) == 1


async def test_a_translated_unavailable_after_a_write_is_still_unknown():
    def translate(answer: Answer, operation: str):
        return Unavailable("x", operation, "try later", "2") if answer.status == 400 else None

    vendor = Vendor(httpx.Response(400, text="{}"))
    with use_permit(permit()), pytest.raises(UnknownOutcome) as caught:
        await client(vendor, translate=translate).write("POST", "/things", operation="create")
    assert caught.value.code == "2"


async def test_an_error_inside_http_200_is_an_error():
    def translate(answer: Answer, operation: str):
        return Refused("x", operation, "no", "40002") if answer.data["code"] else None

    with pytest.raises(Refused):
        await client(Vendor(ok('{"code": 40002}')), translate=translate).read("GET", "/r", operation="read")


async def test_reads_are_tried_three_times_and_then_give_up():
    vendor = Vendor(httpx.Response(503))
    with pytest.raises(Unavailable):
        await client(vendor).read("GET", "/r", operation="read")
    assert len(vendor.seen) == 3


async def test_a_read_recovers_after_weather_and_honours_a_short_retry_after():
    vendor = Vendor(httpx.ReadTimeout("slow"), httpx.Response(429, headers={"Retry-After": "0.01"}), ok())
    assert (await client(vendor).read("GET", "/r", operation="read")).data == {"id": "1"}
    assert len(vendor.seen) == 3


async def test_a_read_does_not_sit_out_a_long_limit():
    vendor = Vendor(httpx.Response(429, headers={"Retry-After": "120"}))
    with pytest.raises(RateLimited) as caught:
        await client(vendor).read("GET", "/r", operation="read")
    assert (caught.value.retry_after, len(vendor.seen)) == (120, 1)


@pytest.mark.parametrize(("status", "error"), [(400, Refused), (404, Refused), (301, Refused), (401, Unauthorized)])
async def test_a_plain_no_is_not_repeated(status, error):
    vendor = Vendor(httpx.Response(status, headers={"Location": "https://evil.example"}, text='{"m": "no"}'))
    with pytest.raises(error):
        await client(vendor).read("GET", "/r", operation="read")
    assert len(vendor.seen) == 1


async def test_after_a_limit_no_write_leaves_until_the_time_has_passed():
    seconds = Seconds()
    vendor = Vendor(httpx.Response(429, headers={"Retry-After": "30"}), ok())
    http = client(vendor, monotonic=seconds)
    with use_permit(permit()):
        with pytest.raises(RateLimited):
            await http.write("POST", "/a", operation="a")
        seconds.now += 29
        with pytest.raises(RateLimited) as caught:
            await http.write("POST", "/a", operation="a")
        assert caught.value.retry_after == pytest.approx(1)
        assert len(vendor.seen) == 1
        seconds.now += 2
        await http.write("POST", "/a", operation="a")
    assert len(vendor.seen) == 2


async def test_the_breaker_opens_lets_one_trial_through_and_closes():
    seconds = Seconds()
    vendor = Vendor(*[httpx.Response(503)] * 6, ok())
    http = client(vendor, monotonic=seconds)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await http.read("GET", "/r", operation="read")
    assert (http.breaker_state, len(vendor.seen)) == ("open", 5)
    with use_permit(permit()), pytest.raises(CircuitOpen):
        await http.write("POST", "/a", operation="a")
    seconds.now += 31
    assert http.breaker_state == "half_open"
    with use_permit(permit()), pytest.raises(UnknownOutcome):
        await http.write("POST", "/a", operation="a")
    assert (http.breaker_state, len(vendor.seen)) == ("open", 6)
    seconds.now += 31
    await http.read("GET", "/r", operation="read")
    assert http.breaker_state == "closed"


async def test_a_refusal_does_not_open_the_breaker():
    http = client(Vendor(httpx.Response(400, text="{}")))
    for _ in range(8):
        with pytest.raises(Refused):
            await http.read("GET", "/r", operation="read")
    assert http.breaker_state == "closed"


async def test_secrets_stay_out_of_logs_and_exceptions(caplog, capsys):
    logging.getLogger().setLevel(logging.DEBUG)
    caplog.set_level(logging.DEBUG)
    path_token = "PATHTOKEN123456"

    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, text=f"bad call {request.url} {TOKEN} {path_token}")

    http = VendorHttp(
        "z", f"https://z.example/token/{path_token}", params={"access_token": TOKEN}, secrets=(path_token,), transport=Vendor(echo)
    )
    with use_permit(permit()), pytest.raises(Refused) as caught:
        await http.write("POST", "/send", operation="send")
    said = repr(caught.value) + str(caught.value) + caught.value.detail + caplog.text + "".join(capsys.readouterr())
    assert "bad call" in said and "***" in said
    for secret in (TOKEN, path_token, "secret%2Btoken"):
        assert secret not in said
    assert "HTTP Request" not in caplog.text


async def test_an_answer_that_is_too_long_is_not_swallowed():
    http = client(Vendor(ok("[" + "1," * 5000 + "1]")), max_response_bytes=1000)
    with pytest.raises(Refused):
        await http.read("GET", "/r", operation="read")
    with use_permit(permit()), pytest.raises(UnknownOutcome):
        await http.write("POST", "/a", operation="a")


async def test_a_request_that_is_too_long_does_not_leave():
    vendor = Vendor(ok())
    with use_permit(permit()), pytest.raises(Refused):
        await client(vendor, max_request_bytes=100).write("POST", "/a", operation="a", json={"x": "y" * 200})
    assert vendor.seen == []


async def test_one_account_keeps_its_pace():
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(seconds)

    http = client(Vendor(ok()), per_second=2, sleep=sleep)
    for _ in range(3):
        await http.read("GET", "/r", operation="read")
    assert sum(pauses) > 0.5
