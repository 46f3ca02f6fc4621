"""May the release go? Objectives and run directories → a verdict: pass, fail or unknown."""
