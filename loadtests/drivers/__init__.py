"""Databases' addresses and connections: what a DSN means, and the one place an engine where a session is opened.

`addresses/` is pure; the modules of the engines connect. A leaf.
"""
