"""TikTok Business API."""

from tools.vendors.tiktok.client import TikTokAds

__all__ = ["TikTokAds"]
