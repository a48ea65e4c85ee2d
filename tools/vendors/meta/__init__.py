"""Meta Marketing API."""

from tools.vendors.meta.client import MetaAds

__all__ = ["MetaAds"]
