"""What a pod keeps its state in: one contract, several storage systems."""
