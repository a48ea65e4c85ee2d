"""The Meta Marketing API twin, v26: routes, authorization, nodes, edges, batch and asynchronous reports."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import UploadFile

from runtime.sandbox import meta_rows as rows
from runtime.sandbox.adtree import Account, Ad, AdBook, Campaign, Group
from runtime.sandbox.graph import LIVE_VERSIONS, VERSION, Call, GraphError, matches, not_found, page, pick, split_top
from runtime.sandbox.market import Market
from runtime.sandbox.meta_insights import Insights
from runtime.sandbox.meta_writes import MetaWrites, minimum_budget
from runtime.sandbox.money import minor_to_meta
from runtime.sandbox.words import words
from runtime.sandbox.world import World

ACCOUNT_FIELDS = words("""
id account_id account_status amount_spent balance business_name created_time currency disable_reason min_daily_budget
min_campaign_group_spend_cap name spend_cap timezone_id timezone_name timezone_offset_hours_utc
""")
AUDIENCE_FIELDS = words("""
id name subtype description lookalike_spec origin_audience_id account_id operation_status delivery_status
approximate_count_lower_bound
""")
IMAGE_FIELDS = words("id hash name url status account_id")
RUN_FIELDS = words("""
id async_status async_percent_completion account_id date_start date_stop is_running time_completed
""")
LIST_FILTERS = {
    "name": "name", "id": "id", "effective_status": "effective_status", "campaign.id": "campaign_id", "adset.id": "adset_id",
    "campaign.effective_status": "campaign_effective_status", "objective": "objective", "ad.name": "name", "campaign.name": "name",
    "adset.name": "name",
}  # fmt: skip


def unknown_route(request: Request) -> Response:
    """What Graph says to a path it does not have."""
    return JSONResponse(
        {
            "error": {
                "message": f"Unknown path components: {request.url.path}",
                "type": "OAuthException",
                "code": 2500,
                "fbtrace_id": "AsandboxPath",
            }
        },
        404,
    )


class MetaTwin:
    """Dispatches Graph calls to nodes and edges."""

    def __init__(self, world: World, book: AdBook, market: Market) -> None:
        self.world = world
        self.book = book
        self.writes = MetaWrites(world, book)
        self.insights = Insights(world, book, market)
        self.runs: dict[str, tuple[Call, Account, Account | Campaign | Group | Ad]] = {}
        self.polled: dict[str, int] = {}
        self.calls = 0

    async def answer(self, request: Request, version: str, path: str) -> Response:
        """One HTTP request."""
        parts = [part for part in path.split("/") if part]
        try:
            if version not in LIVE_VERSIONS:
                raise GraphError(
                    f"(#2635) You are calling a deprecated version of the Ads API. Please update to the latest version: {VERSION}.",
                    2635,
                    unknown=True,
                )
            call = await self._read(request, version, parts)
            self._authorize(call, request)
            body = self.dispatch(call) if parts else self._many(call) if "ids" in call.params else self._batch(call)
        except GraphError as error:
            if error.unknown:
                self.world.refuse("meta", request.method, request.url.path, error.body["message"])
            return error.response()
        return JSONResponse(body, headers=self._headers(version, parts))

    def _headers(self, version: str, parts: list[str]) -> dict[str, str]:
        self.calls += 1
        kind = "ads_insights" if parts and parts[-1] == "insights" else "ads_management"
        usage = {"type": kind, "call_count": min(99, self.calls // 1000), "total_cputime": 1, "total_time": 1,
                 "estimated_time_to_regain_access": 0, "ads_api_access_tier": "standard_access"}  # fmt: skip
        ident = next(item.id for item in self.book.accounts.values() if item.platform == "meta")
        return {"facebook-api-version": version, "x-business-use-case-usage": json.dumps({ident: [usage]})}

    async def _read(self, request: Request, version: str, parts: list[str]) -> Call:
        params: dict[str, str] = {}
        files: dict[str, bytes] = {}
        pairs: list[tuple[str, Any]] = list(request.query_params.multi_items())
        kind = request.headers.get("content-type", "").split(";")[0].strip()
        if request.method == "POST":
            if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
                pairs += list((await request.form()).multi_items())
            elif await request.body():
                raise GraphError(f"(#100) This twin takes form-urlencoded bodies, not {kind or 'an unnamed type'}", unknown=True)
        for name, value in pairs:
            if isinstance(value, UploadFile):
                files[value.filename or name] = await value.read()
            else:
                params[name] = str(value)
        return Call(request.method, version, parts, params, files, str(request.base_url).rstrip("/") + "/meta")

    def _authorize(self, call: Call, request: Request) -> None:
        bearer = request.headers.get("authorization", "")
        token = call.params.get("access_token") or (bearer[7:] if bearer.lower().startswith("bearer ") else "")
        if not token:
            raise GraphError("An access token is required to request this resource.", 104)
        proof = call.params.get("appsecret_proof")
        if proof is not None and (len(proof) != 64 or set(proof) - set("0123456789abcdef")):
            raise GraphError("Invalid appsecret_proof provided in the API argument", 100)

    def _many(self, call: Call) -> dict[str, Any]:
        """GET /?ids=a,b: several nodes at once, all or none."""
        if call.method != "GET":
            raise not_found(call.method, call.params["ids"])
        rest = {name: value for name, value in call.params.items() if name != "ids"}
        idents = [ident for ident in call.words("ids") or [] if ident]
        return {ident: self.dispatch(Call("GET", call.version, [ident], rest, base=call.base)) for ident in idents}

    def _batch(self, call: Call) -> Any:
        if call.method != "POST" or "batch" not in call.params:
            raise GraphError(
                "Unsupported get request. Please read the Graph API documentation", 100, 33, kind="GraphMethodException"
            )
        call.only("batch include_headers")
        items: list[Any] = call.json("batch", list)
        if len(items) > 50:
            raise GraphError("Too many requests in batch message. Maximum batch size is 50", 100)
        answers: list[Any] = []
        for item in items:
            if not isinstance(item, dict) or set(item) - {"method", "relative_url", "body", "name"}:  # pyright: ignore[reportUnknownArgumentType]
                raise GraphError("(#100) batch items have method, relative_url and body", unknown=True)
            path, _, query = str(item.get("relative_url", "")).partition("?")  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]
            params = dict(parse_qsl(query)) | dict(parse_qsl(str(item.get("body") or "")))  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]
            method = str(item.get("method", "GET"))  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]
            inner = Call(method, call.version, [part for part in path.split("/") if part], params, base=call.base)
            try:
                code, body = 200, self.dispatch(inner)
            except GraphError as error:
                if error.unknown:
                    self.world.refuse("meta", inner.method, "/meta/" + path, error.body["message"])
                code, body = error.http, {"error": error.body}
            answers.append({"code": code, "headers": [], "body": json.dumps(body)})
        return answers

    # nodes and edges

    def dispatch(self, call: Call) -> Any:
        """The answer to one call. Raises GraphError."""
        head, edge = call.path[0], "/".join(call.path[1:])
        if head == "me":
            return self._me(call, edge)
        if head == "debug_token" and call.method == "GET" and not edge:
            return self._debug_token(call)
        if head.startswith("act_"):
            account = self.book.account("meta", head[4:])
            if account is None:
                raise GraphError("(#200) Ad account owner has NOT grant ads_management or ads_read permission", 200, http=403)
            return self._account(call, account, edge)
        node = self.book.node("meta", head)
        if node is not None:
            return self._node(call, node, edge)
        if head in self.runs:
            return self._run(call, head, edge)
        for store, fields, name in (
            (self.writes.media.store.creatives, rows.CREATIVE_FIELDS, "AdCreative"),
            (self.writes.media.store.audiences, AUDIENCE_FIELDS, "CustomAudience"),
        ):
            if head in store and not edge and call.method == "GET":
                call.only("thumbnail_width thumbnail_height")
                return pick(self._audience(store[head]), self._fields(call), fields, name)
        if head in self.writes.media.store.videos and not edge and call.method == "GET":
            call.only()
            return pick(self.writes.media.video_row(head), self._fields(call), frozenset({"id", "title", "status"}), "AdVideo")
        raise not_found(call.method, head)

    def _fields(self, call: Call) -> list[str] | None:
        text = call.text("fields")
        if text and text.lstrip().startswith("["):
            return call.words("fields")
        return [entry.strip() for entry in split_top(text) if entry.strip()] if text else None

    def _me(self, call: Call, edge: str) -> Any:
        call.only()
        if call.method != "GET" or edge not in ("", "adaccounts"):
            raise GraphError(f"(#2500) Unknown path components: /{edge}", 2500, unknown=True)
        if not edge:
            return pick(
                {"id": "100000000000001", "name": "Sandbox system user"},
                self._fields(call) or ["name"],
                frozenset({"id", "name"}),
                "User",
            )
        accounts = [item for item in self.book.accounts.values() if item.platform == "meta"]
        return page(call, [pick(self._account_row(item), self._fields(call), ACCOUNT_FIELDS, "AdAccount") for item in accounts])

    def _debug_token(self, call: Call) -> dict[str, Any]:
        call.only("input_token")
        call.need("input_token")
        scopes = ["ads_management", "ads_read", "business_management"]
        facts = {
            "app_id": "1",
            "type": "SYSTEM_USER",
            "is_valid": True,
            "expires_at": 0,
            "data_access_expires_at": 0,
            "scopes": scopes,
        }
        return {"data": facts}

    def _account_row(self, account: Account) -> dict[str, Any]:
        moment = self.world.now.astimezone(account.zone)
        offset = moment.utcoffset()
        spend_cap = minor_to_meta(account.spend_cap, account.currency) if account.spend_cap is not None else 0
        return {
            "id": f"act_{account.id}", "account_id": account.id, "account_status": 1 if account.active else 2, "name": account.name,
            "currency": account.currency, "timezone_name": account.timezone, "timezone_id": 25, "disable_reason": 0,
            "timezone_offset_hours_utc": offset.total_seconds() / 3600 if offset is not None else None,
            "min_daily_budget": minor_to_meta(minimum_budget(account.currency), account.currency),
            "amount_spent": str(minor_to_meta(account.spent, account.currency)), "spend_cap": str(spend_cap), "balance": "0",
            "business_name": account.name, "created_time": self.world.started_at.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        }  # fmt: skip

    def _account(self, call: Call, account: Account, edge: str) -> Any:
        if call.method == "POST":
            makers: dict[str, Any] = {
                "": self.writes.update_account, "campaigns": self.writes.create_campaign, "adsets": self.writes.create_adset,
                "ads": self.writes.create_ad, "adcreatives": self.writes.media.create_creative,
                "adimages": self.writes.media.upload_image, "advideos": self.writes.media.upload_video,
                "customaudiences": self.writes.media.create_audience,
            }  # fmt: skip
            if edge == "insights":
                return self._start_run(call, account, account)
            if edge in makers:
                return self._created(call, makers[edge](call, account))
        if call.method == "GET":
            if edge == "":
                call.only()
                return pick(self._account_row(account), self._fields(call), ACCOUNT_FIELDS, "AdAccount")
            if edge == "insights":
                return page(call, self.insights.rows(call, account, account))
            if edge == "minimum_budgets":
                return self._minimums(call)
            if edge in ("campaigns", "adsets", "ads"):
                return self._list(call, edge, list(account.campaigns.values()))
            if edge in ("adcreatives", "customaudiences", "adimages"):
                return self._stored(call, edge, account)
        raise GraphError(f"(#100) Tried accessing nonexisting edge ({edge}) on node type (AdAccount)", unknown=True)

    def _created(self, call: Call, made: dict[str, Any]) -> dict[str, Any]:
        fields = self._fields(call)
        node = self.book.node("meta", made.get("id", ""))
        return self._row(node, fields) if fields and node else made

    def _minimums(self, call: Call) -> dict[str, Any]:
        call.only("bid_amount")
        currencies = sorted({account.currency for account in self.book.accounts.values()} | {"BRL", "USD", "JPY"})
        made = []
        for currency in currencies:
            least = minor_to_meta(minimum_budget(currency), currency)
            made.append({
                "currency": currency, "min_daily_budget_imp": least, "min_daily_budget_video_views": least,
                "min_daily_budget_low_freq": least * 5, "min_daily_budget_high_freq": least,
            })  # fmt: skip
        return page(call, made)

    def _audience(self, row: dict[str, Any]) -> dict[str, Any]:
        ready = row.get("_ready_at")
        if ready is None:
            return row
        done = self.world.now >= ready
        state = (
            {"code": 200, "description": "Normal"}
            if done
            else {"code": 441, "description": "The lookalike audience is being populated."}
        )
        delivery = {"code": 200, "description": "Ready for use"} if done else {"code": 300, "description": "Too small"}
        size = 1800000 if done else None
        return {**row, "operation_status": state, "approximate_count_lower_bound": size, "delivery_status": delivery}

    def _stored(self, call: Call, edge: str, account: Account) -> dict[str, Any]:
        call.only("filtering hashes" if edge == "adimages" else "filtering")
        store: dict[str, dict[str, Any]] = {
            "adcreatives": self.writes.media.store.creatives, "customaudiences": self.writes.media.store.audiences,
            "adimages": self.writes.media.store.images,
        }[edge]  # fmt: skip
        fields = {"adcreatives": rows.CREATIVE_FIELDS, "customaudiences": AUDIENCE_FIELDS, "adimages": IMAGE_FIELDS}[edge]
        rules: list[dict[str, Any]] = call.json("filtering", list) or []
        wanted = call.words("hashes")
        found = [
            row for row in (self._audience(row) for row in store.values())
            if row.get("account_id", account.id) == account.id and (wanted is None or row["hash"] in wanted)
            and all(matches(row, rule, {"name": "name", "id": "id"}) for rule in rules)
        ]  # fmt: skip
        return page(call, [pick(row, self._fields(call), fields, edge) for row in found])

    def _row(self, node: Campaign | Group | Ad, fields: list[str] | None) -> dict[str, Any]:
        now = self.world.now

        def creative(inner: list[str] | None) -> dict[str, Any] | None:
            ident = node.data.get("creative", {}).get("id")
            known = self.writes.media.store.creatives.get(ident)
            return pick(known, inner, rows.CREATIVE_FIELDS, "AdCreative") if known else None

        if isinstance(node, Campaign):
            return pick(rows.campaign_row(node, now), fields, rows.CAMPAIGN_FIELDS, "Campaign")
        if isinstance(node, Group):
            nested: dict[str, Any] = {"campaign": lambda inner: self._row(node.campaign, inner)}
            return pick(rows.group_row(node, now), fields, rows.ADSET_FIELDS, "AdSet", nested)
        nested = {
            "campaign": lambda inner: self._row(node.group.campaign, inner), "adset": lambda inner: self._row(node.group, inner),
            "creative": creative,
        }  # fmt: skip
        return pick(rows.ad_row(node, now), fields, rows.AD_FIELDS, "Ad", nested)

    def _list(self, call: Call, edge: str, campaigns: list[Campaign], group: Group | None = None) -> dict[str, Any]:
        call.only("effective_status filtering date_preset time_range is_completed updated_since")
        now = self.world.now
        states = {"campaigns": rows.CAMPAIGN_STATES, "adsets": rows.ADSET_STATES, "ads": rows.AD_STATES}[edge]
        nodes: list[Campaign | Group | Ad] = []
        for campaign in campaigns:
            if edge == "campaigns":
                nodes.append(campaign)
            for each in campaign.groups.values():
                if group is None or each is group:
                    nodes += [each] if edge == "adsets" else list(each.ads.values()) if edge == "ads" else []
        rules: list[dict[str, Any]] = call.json("filtering", list) or []
        wanted = call.words("effective_status")
        asked = list(wanted or [])
        for rule in rules:
            if rule.get("field") == "effective_status":
                value = rule.get("value")
                asked += [str(item) for item in (value if isinstance(value, list) else [value])]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        if wrong := [state for state in asked if state not in states]:
            raise GraphError(
                f"Run Status not valid: {wrong[0]} is not a status of {edge}", 100, 1487561, title="Run Status not valid"
            )
        found: list[dict[str, Any]] = []
        for node in nodes:
            if not self.book.visible(node):
                continue
            full = (
                rows.campaign_row(node, now)
                if isinstance(node, Campaign)
                else rows.group_row(node, now)
                if isinstance(node, Group)
                else rows.ad_row(node, now)
            )
            hidden = full["effective_status"] == "DELETED" and "DELETED" not in asked
            if hidden or (wanted is not None and full["effective_status"] not in wanted):
                continue
            if all(matches(full, rule, LIST_FILTERS) for rule in rules):
                found.append(self._row(node, self._fields(call)))
        found.reverse()
        return page(call, found)

    def _node(self, call: Call, node: Campaign | Group | Ad, edge: str) -> Any:
        campaign = node if isinstance(node, Campaign) else node.campaign if isinstance(node, Group) else node.group.campaign
        if edge == "":
            if call.method == "GET":
                call.only("date_preset time_range")
                return self._row(node, self._fields(call))
            if call.method == "POST":
                return self.writes.update(call, node)
            if call.method == "DELETE":
                call.only()
                return self.writes.delete(node)
        if edge == "insights":
            if call.method == "POST":
                return self._start_run(call, campaign.account, node)
            return page(call, self.insights.rows(call, campaign.account, node))
        if edge == "copies" and call.method == "POST":
            return self.writes.copy(call, node)
        if (
            call.method == "GET"
            and edge in ("adsets", "ads")
            and not (isinstance(node, Ad) or (isinstance(node, Group) and edge == "adsets"))
        ):
            return self._list(call, edge, [campaign], node if isinstance(node, Group) else None)
        kind = {"Campaign": "Campaign", "Group": "AdSet", "Ad": "Ad"}[type(node).__name__]
        raise GraphError(f"(#100) Tried accessing nonexisting edge ({edge}) on node type ({kind})", unknown=True)

    # asynchronous reports

    def _start_run(self, call: Call, account: Account, node: Account | Campaign | Group | Ad) -> dict[str, Any]:
        self.insights.rows(call, account, node)
        ident = str(self.world.next_id("meta.run", 6100000000000000))
        self.runs[ident] = (call, account, node)
        self.polled[ident] = 0
        return {"report_run_id": ident}

    def _run(self, call: Call, ident: str, edge: str) -> Any:
        asked, account, node = self.runs[ident]
        if call.method != "GET" or edge not in ("", "insights"):
            raise GraphError(f"(#100) Tried accessing nonexisting edge ({edge}) on node type (AdReportRun)", unknown=True)
        call.only()
        if edge == "insights":
            if self.polled[ident] < 2:
                raise GraphError("(#2601) Loading async insights report when not fully complete", 2601, 1815107)
            return page(call, self.insights.rows(asked, account, node))
        self.polled[ident] += 1
        done = self.polled[ident] >= 2
        row = {"id": ident, "account_id": account.id, "async_status": "Job Completed" if done else "Job Running",
               "async_percent_completion": 100 if done else 40, "is_running": None if done else True}  # fmt: skip
        return pick(
            row, self._fields(call) or ["async_status", "async_percent_completion", "account_id"], RUN_FIELDS, "AdReportRun"
        )


def router(world: World, book: AdBook, market: Market) -> APIRouter:
    """Routes of the Meta twin, to be mounted under /meta."""
    api, twin = APIRouter(), MetaTwin(world, book, market)

    @api.api_route("/{version}", methods=["GET", "POST"])
    async def root(request: Request, version: str) -> Response:
        return await twin.answer(request, version, "")

    @api.api_route("/{version}/{path:path}", methods=["GET", "POST", "DELETE"])
    async def anything(request: Request, version: str, path: str) -> Response:
        return await twin.answer(request, version, path)

    return api
