"""The operation that the page is about."""

ACCEPT = "chat.accept"
