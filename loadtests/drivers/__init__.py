"""Databases' addresses and connections: what a DSN means, and the one place an engine where a session is opened.

`addresses/` is pure; a module an engine beside it connects. `engines.py` is the table of both. A leaf.
"""
