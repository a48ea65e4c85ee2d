"""The TikTok account itself, its images and its audiences."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from runtime.sandbox.adtree import Account, AdBook
from runtime.sandbox.tiktok_wire import Ask, Refused, chosen, page
from runtime.sandbox.world import World


class TikTokAssets:
    """What ads lean on: account facts, quota, images, lookalike audiences."""

    def __init__(self, world: World, book: AdBook) -> None:
        self.world = world
        self.book = book
        self.images: dict[str, dict[str, Any]] = {}
        self.videos: dict[str, dict[str, Any]] = {}
        self.audiences: dict[str, dict[str, Any]] = {}

    def account(self, ask: Ask) -> Account:
        """The advertiser that a request names. Raises Refused (40001) on any other."""
        ident = ask.need("advertiser_id")
        account = self.book.account("tiktok", str(ident))
        if account is None:
            raise Refused(f"No permission to operate advertiser {ident}.", 40001)
        return account

    def advertiser_info(self, ask: Ask) -> dict[str, Any]:
        """GET advertiser/info/."""
        ask.only("advertiser_ids fields")
        made: list[dict[str, Any]] = []
        for ident in ask.ids("advertiser_ids"):
            account = self.book.account("tiktok", ident)
            if account is None:
                raise Refused(f"No permission to operate advertiser {ident}.", 40001)
            offset = self.world.now.astimezone(account.zone).strftime("%z")
            full = {
                "advertiser_id": account.id, "name": account.name, "currency": account.currency, "timezone": f"Etc/GMT{offset[:3]}",
                "display_timezone": account.timezone, "status": "STATUS_ENABLE" if account.active else "STATUS_LIMIT",
                "country": "BR",
                "role": "ROLE_ADVERTISER", "balance": 100000.0, "create_time": int(self.world.started_at.timestamp()),
            }  # fmt: skip
            made.append(chosen(ask, full))
        return {"list": made}

    def quota(self, ask: Ask) -> dict[str, Any]:
        """GET adgroup/quota/."""
        ask.only("advertiser_id")
        account = self.account(ask)
        used = sum(1 for campaign in account.campaigns.values() for group in campaign.groups.values() if group.enabled)
        return {"adgroup_active_quota": 700, "adgroup_active_used_quota": used}

    def image_upload(self, ask: Ask) -> dict[str, Any]:
        """POST file/image/ad/upload/: by file with its MD5 signature, or by URL."""
        ask.only("advertiser_id upload_type file_name image_signature image_url file_id")
        self.account(ask)
        kind = ask.choice("upload_type", frozenset({"UPLOAD_BY_FILE", "UPLOAD_BY_URL"}), "UPLOAD_BY_FILE")
        if kind == "UPLOAD_BY_FILE":
            content = ask.files.get("image_file")
            if not content:
                raise Refused("image_file: Missing data for required field.")
            mark = hashlib.md5(content, usedforsecurity=False).hexdigest()
            if ask.need("image_signature") != mark:
                raise Refused("image_signature: Does not match the file's MD5.")
        else:
            mark = hashlib.md5(str(ask.need("image_url")).encode(), usedforsecurity=False).hexdigest()
        ident = f"ad-site-i18n-sg/{mark}"
        row = {
            "image_id": ident, "material_id": str(self.world.next_id("tiktok.material", 7300000000000000000)), "signature": mark,
            "file_name": ask.values.get("file_name", mark), "format": "jpeg", "width": 1080, "height": 1920, "displayable": True,
            "image_url": f"https://p16.example/{mark}.jpeg",
        }  # fmt: skip
        self.images[ident] = row
        self.world.record("tiktok", "image.create", ident, None)
        return row

    def video_upload(self, ask: Ask) -> list[dict[str, Any]]:
        """POST file/video/ad/upload/: by file with its MD5 signature, or by URL."""
        ask.only(
            "advertiser_id upload_type file_name video_signature video_url",
            "auto_bind_enabled auto_fix_enabled flaw_detect is_third_party",
        )
        self.account(ask)
        kind = ask.choice("upload_type", frozenset({"UPLOAD_BY_FILE", "UPLOAD_BY_URL"}), "UPLOAD_BY_FILE")
        if kind == "UPLOAD_BY_FILE":
            content = ask.files.get("video_file")
            if not content:
                raise Refused("video_file: Missing data for required field.")
            mark = hashlib.md5(content, usedforsecurity=False).hexdigest()
            if ask.need("video_signature") != mark:
                raise Refused("video_signature: Does not match the file's MD5.")
        else:
            mark = hashlib.md5(str(ask.need("video_url")).encode(), usedforsecurity=False).hexdigest()
        ident = f"v10033g50000{mark[:20]}"
        row = {
            "video_id": ident, "material_id": str(self.world.next_id("tiktok.material", 7300000000000000000)), "signature": mark,
            "file_name": ask.values.get("file_name", mark), "format": "mp4", "width": 1080, "height": 1920, "duration": 15.0,
            "displayable": True, "video_cover_url": f"https://p16.example/{mark}.jpeg",
        }  # fmt: skip
        self.videos[ident] = row
        self.world.record("tiktok", "video.create", ident)
        return [row]

    def video_info(self, ask: Ask) -> dict[str, Any]:
        """GET file/video/ad/info/."""
        ask.only("advertiser_id video_ids")
        self.account(ask)
        return {"list": [self.videos[ident] for ident in ask.ids("video_ids") if ident in self.videos]}

    def lookalike(self, ask: Ask) -> dict[str, Any]:
        """POST dmp/custom_audience/lookalike/create/."""
        ask.only("advertiser_id custom_audience_name lookalike_spec audience_sub_type")
        account = self.account(ask)
        name, spec = ask.need("custom_audience_name"), ask.need("lookalike_spec")
        if (
            not isinstance(spec, dict)
            or spec.get("audience_size") not in ("NARROW", "BALANCED", "BROAD")
            or not spec.get("source_audience_id")
        ):  # pyright: ignore[reportUnknownMemberType]
            raise Refused("lookalike_spec: source_audience_id and audience_size (NARROW, BALANCED, BROAD) are required.")
        ident = str(self.world.next_id("tiktok.audience", 190000000))
        self.audiences[ident] = {"audience_id": ident, "name": name, "account": account.id, "spec": spec, "at": self.world.now}
        self.world.record("tiktok", "lookalike.create", ident, None, name=name)
        return {"custom_audience_id": ident}

    def audience_list(self, ask: Ask) -> dict[str, Any]:
        """GET dmp/custom_audience/list/."""
        ask.only("advertiser_id custom_audience_ids page page_size")
        account = self.account(ask)
        wanted = ask.values.get("custom_audience_ids")
        rows = [
            {
                "audience_id": row["audience_id"], "name": row["name"], "audience_type": "Lookalike Audience",
                "is_valid": self.world.now - row["at"] >= timedelta(hours=4), "cover_num": 900000, "calculate_type": "LOOKALIKE",
            }
            for row in self.audiences.values()
            if row["account"] == account.id and (wanted is None or row["audience_id"] in wanted)
        ]  # fmt: skip
        return page(ask, rows)
