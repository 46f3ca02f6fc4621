"""What this host lets its processes use, and how much of it is in use, as the kernel reports it."""
