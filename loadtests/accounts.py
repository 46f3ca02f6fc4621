"""Tokens of accounts: the account's name, signed with the pod's secret. A leaf."""

import hashlib
import hmac


def token_for(account: str, secret: str) -> str:
    return f"{account}.{hmac.new(secret.encode(), account.encode(), hashlib.sha256).hexdigest()}"


def account_of(token: str, secret: str) -> str | None:
    """The account that a token speaks for; None when it is not signed with this secret."""
    account, dot, _ = token.rpartition(".")
    return account if dot and hmac.compare_digest(token.encode(), token_for(account, secret).encode()) else None
