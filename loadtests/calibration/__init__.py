"""Self-calibration: locks held for known times, and what the observer says of them."""
