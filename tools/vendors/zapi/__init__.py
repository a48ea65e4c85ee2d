"""Z-API: a WhatsApp line through WhatsApp Web. Unofficial; webhooks are unsigned; a send answers "queued", never "sent"."""

from tools.vendors.zapi.messenger import ZApiMessenger
from tools.vendors.zapi.webhooks import ZApiWebhooks

__all__ = ["ZApiMessenger", "ZApiWebhooks"]
