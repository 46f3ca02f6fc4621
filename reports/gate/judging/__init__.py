"""The judge: pure functions from objectives and evidence to verdicts."""
