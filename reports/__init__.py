"""Reads run directories: statistics, plots, pages, verdicts. Knows nothing of how they are made."""
