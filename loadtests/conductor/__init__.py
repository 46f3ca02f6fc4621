"""Composes runs: server → pod → observer → load → ledger → end. Plain Python, one thread, no event loop but its own."""
