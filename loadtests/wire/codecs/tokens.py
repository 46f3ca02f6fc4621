"""Tokens of the reference pod: an account's name, signed with the pod's secret."""

import hashlib
import hmac


def token_for(account: str, secret: str) -> str:
    return f"{account}.{hmac.new(secret.encode(), account.encode(), hashlib.sha256).hexdigest()}"


def account_of(token: str, secret: str) -> str | None:
    """The account that a token speaks for; None when the signature is not ours."""
    account, dot, _ = token.rpartition(".")
    return account if dot and hmac.compare_digest(token.encode(), token_for(account, secret).encode()) else None
