"""Commands of `loadtests`, from parsed arguments to exit code."""
