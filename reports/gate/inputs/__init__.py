"""What is judged: the evidence of a study as plain values, and the only modules that read it from run directories."""
