"""The fault campaign: real runs, one fault in each, and what must hold afterwards."""
