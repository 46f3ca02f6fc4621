"""Sentences and formatted figures."""
