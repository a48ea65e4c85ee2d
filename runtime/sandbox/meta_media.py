"""What Meta ads are made of: creatives, images, audiences."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from runtime.sandbox.adtree import Account
from runtime.sandbox.graph import Call, GraphError, invalid, missing, not_found
from runtime.sandbox.words import words
from runtime.sandbox.world import World

CREATIVE_PARAMS = words("""
actor_id adlabels asset_feed_spec body call_to_action_type contextual_multi_ads degrees_of_freedom_spec
execution_options image_hash image_url instagram_user_id link_url name object_story_id object_story_spec object_type
status thumbnail_url title url_tags video_id
""")


@dataclass
class Creatives:
    """What ads are made of, by account: creatives by id, images by hash, audiences by id."""

    creatives: dict[str, dict[str, Any]] = field(default_factory=dict)
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    audiences: dict[str, dict[str, Any]] = field(default_factory=dict)
    videos: dict[str, dict[str, Any]] = field(default_factory=dict)


def validate_only(call: Call) -> bool:
    options = call.words("execution_options") or []
    for option in options:
        if option not in ("validate_only", "include_recommendations", "synchronous_ad_review"):
            raise GraphError(f"(#100) Param execution_options has unexpected value: {option}")
    return "validate_only" in options


def copy_values(call: Call, lists: str, objects: str, texts: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for names, kind in ((lists, list), (objects, dict)):
        for name in names.split():
            value = call.json(name, kind)
            if value is not None:
                made[name] = value
    for name in texts.split():
        if call.text(name) is not None:
            made[name] = call.text(name)
    return made


class MetaMedia:
    """Creatives, images and audiences of the Meta twin."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = Creatives()

    def _record(self, operation: str, ident: str, **detail: Any) -> None:
        self.world.record("meta", operation, ident, None, **detail)

    def create_creative(self, call: Call, account: Account) -> dict[str, Any]:
        """POST act_X/adcreatives."""
        call.only(CREATIVE_PARAMS)
        data = copy_values(
            call, "adlabels", "object_story_spec asset_feed_spec degrees_of_freedom_spec contextual_multi_ads",
            "actor_id body call_to_action_type image_hash image_url instagram_user_id link_url name object_story_id object_type "
            "status thumbnail_url title url_tags video_id",
        )  # fmt: skip
        if not ({"object_story_spec", "object_story_id", "asset_feed_spec"} & set(data)):
            raise GraphError(
                "object_story_spec, object_story_id or asset_feed_spec is required", 100, 1443050, blame="object_story_spec"
            )
        spec = data.get("object_story_spec")
        if spec is not None and not spec.get("page_id"):
            raise GraphError("object_story_spec.page_id is required", 100, 1443120, blame="object_story_spec")
        for image in _find(data, "image_hash"):
            if image not in self.store.images:
                raise GraphError(f"The image hash {image} does not exist in this ad account", 100, 1487472, blame="image_hash")
        if validate_only(call):
            return {"success": True}
        return {"id": self.keep_creative(account, data)}

    def keep_creative(self, account: Account, data: dict[str, Any]) -> str:
        ident = str(self.world.next_id("meta.creative", 120330000000000000))
        self.store.creatives[ident] = {**data, "id": ident, "account_id": account.id, "status": "ACTIVE"}
        self._record("adcreative.create", ident, name=data.get("name"))
        return ident

    def creative_of(self, call: Call, account: Account) -> dict[str, Any]:
        given = call.json("creative", dict)
        if not given:
            raise missing("creative")
        ident = given.get("creative_id") or given.get("id")
        if ident is None:
            if "object_story_spec" not in given:
                raise invalid("creative", "give creative_id or object_story_spec", 1487930)
            return given
        found = self.store.creatives.get(str(ident))
        if found is None or found["account_id"] != account.id:
            raise not_found("POST", str(ident))
        return found

    def upload_image(self, call: Call, account: Account) -> dict[str, Any]:
        """POST act_X/adimages: multipart files or `bytes` in base64."""
        call.only("bytes filename name")
        blobs = {name: content for name, content in call.files.items() if content}
        if not blobs:
            encoded = call.need("bytes")
            try:
                blobs = {call.text("name") or "bytes": base64.b64decode(encoded, validate=True)}
            except binascii.Error:
                raise GraphError("(#100) Param bytes must be base64", 100, 1487411, blame="bytes") from None
        answer: dict[str, Any] = {}
        for name, content in blobs.items():
            mark = hashlib.md5(content, usedforsecurity=False).hexdigest()
            row = {
                "hash": mark,
                "url": f"https://scontent.example/{mark}.jpg",
                "name": name,
                "id": f"{account.id}:{mark}",
                "status": "ACTIVE",
            }
            self.store.images[mark] = row
            answer[name] = {"hash": mark, "url": row["url"]}
            self._record("adimage.create", mark, bytes=len(content))
        return {"images": answer}

    def upload_video(self, call: Call, account: Account) -> dict[str, Any]:
        """POST act_X/advideos: by `file_url` or as a multipart file. Ready a simulated minute later."""
        call.only("file_url name title description")
        content = next((blob for blob in call.files.values() if blob), None)
        if content is None:
            call.need("file_url")
        ident = str(self.world.next_id("meta.video", 980000000000000))
        self.store.videos[ident] = {
            "id": ident, "title": call.text("title") or call.text("name"), "account_id": account.id,
            "_ready_at": self.world.now + timedelta(minutes=1),
        }  # fmt: skip
        self._record("advideo.create", ident, url=call.text("file_url"))
        return {"id": ident}

    def video_row(self, ident: str) -> dict[str, Any]:
        """The fields of a video, with its processing status."""
        row = self.store.videos[ident]
        state = "ready" if self.world.now >= row["_ready_at"] else "processing"
        return {"id": ident, "title": row["title"], "status": {"video_status": state}}

    def create_audience(self, call: Call, account: Account) -> dict[str, Any]:
        """POST act_X/customaudiences: WEBSITE and CUSTOM audiences, and LOOKALIKE from one of them."""
        call.only(
            "name subtype description origin_audience_id lookalike_spec customer_file_source rule retention_days prefill pixel_id"
        )
        name, subtype = call.need("name"), call.choice("subtype", ("LOOKALIKE", "CUSTOM", "WEBSITE"), "CUSTOM")
        row: dict[str, Any] = {"name": name, "subtype": subtype, "description": call.text("description")}
        if subtype == "LOOKALIKE":
            origin, spec = call.need("origin_audience_id"), call.json("lookalike_spec", dict)
            if spec is None:
                raise missing("lookalike_spec")
            if origin not in self.store.audiences:
                raise not_found("POST", origin)
            ratio, begin = spec.get("ratio"), spec.get("starting_ratio", 0)
            if (
                not isinstance(ratio, int | float)
                or not 0 <= begin < ratio <= 0.2
                or not (spec.get("country") or spec.get("location_spec"))
            ):
                raise GraphError("Invalid lookalike spec: ratio in (0, 0.20], country required", 100, 2654, blame="lookalike_spec")
            row |= {"lookalike_spec": spec, "origin_audience_id": origin}
        ident = str(self.world.next_id("meta.audience", 23850000000000000))
        self.store.audiences[ident] = {
            **row,
            "id": ident,
            "account_id": account.id,
            "_ready_at": self.world.now + timedelta(hours=3),
        }
        self._record("customaudience.create", ident, name=name, subtype=subtype)
        return {"id": ident}


def _find(value: Any, name: str) -> list[str]:
    if isinstance(value, dict):
        found = [str(inner) for key, inner in value.items() if key == name and isinstance(inner, str)]  # pyright: ignore[reportUnknownVariableType]
        return found + [hit for inner in value.values() for hit in _find(inner, name)]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [hit for inner in value for hit in _find(inner, name)]  # pyright: ignore[reportUnknownVariableType]
    return []


def text_of(creative: dict[str, Any]) -> str:
    words = [hit for name in ("message", "title", "body", "name", "description", "text") for hit in _find(creative, name)]
    return "\n".join(dict.fromkeys(words))


def link_of(creative: dict[str, Any]) -> str:
    links = [hit for name in ("link", "website_url", "link_url") for hit in _find(creative, name)]
    link, tags = (links[0] if links else ""), creative.get("url_tags")
    return f"{link}{'&' if '?' in link else '?'}{tags}" if tags else link
