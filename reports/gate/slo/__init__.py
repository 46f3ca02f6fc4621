"""Objectives: OpenSLO documents, read, checked and chosen."""
