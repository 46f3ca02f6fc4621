"""What the harness made against what the storage holds. Reads the databases themselves, not through the pod."""

from loadtests.ledger.audit import Database, read_ledger

__all__ = ["Database", "read_ledger"]
