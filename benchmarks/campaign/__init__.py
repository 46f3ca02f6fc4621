"""The fault campaign: real runs with one fault each, and checks of invariants afterwards."""
