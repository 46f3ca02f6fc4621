"""What the harness made against what the storage holds. Reads the database itself, not through the pod."""

from loadtests.ledger.audit import read_ledger

__all__ = ["read_ledger"]
