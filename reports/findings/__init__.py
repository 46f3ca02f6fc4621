"""Types of findings: the contract between what computes figures and what shows them. Small values only."""
