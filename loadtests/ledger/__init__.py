"""What the harness made against what the storage holds. Reads the databases themselves, not through the pod."""

from loadtests.ledger.audit import Database, Mode, read_ledger

__all__ = ["Database", "Mode", "read_ledger"]
