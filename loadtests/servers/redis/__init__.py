"""Private Redis servers."""
