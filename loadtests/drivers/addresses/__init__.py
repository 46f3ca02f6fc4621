"""What a DSN means, by engine. Pure: nothing is opened, read or asked for."""
