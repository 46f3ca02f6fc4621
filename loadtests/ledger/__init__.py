"""What the harness made against what the storage holds. Reads the databases themselves, not through the pod."""

from loadtests.ledger.audit import StoredDatabase, read_ledger

__all__ = ["StoredDatabase", "read_ledger"]
