"""Before a run: how many rounds of a scenario decide its objectives."""
