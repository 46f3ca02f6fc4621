"""What the response of an operation was spent on."""
