"""Values and arrays → findings. Pure: no files but those of the run directory are read, nothing is drawn."""
