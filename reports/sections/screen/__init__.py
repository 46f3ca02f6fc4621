"""Sections and story → the page: the first screen, the sections by question, the terms."""
