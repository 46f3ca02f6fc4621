"""One run, from its servers to its end document."""
