"""All figures as documents: JSON, CSV, Markdown."""
