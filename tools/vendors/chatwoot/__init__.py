"""Chatwoot (server 4.15): the desk where salespeople read, write and take over."""

from tools.vendors.chatwoot.desk import ChatwootDesk
from tools.vendors.chatwoot.webhooks import ChatwootWebhooks

__all__ = ["ChatwootDesk", "ChatwootWebhooks"]
