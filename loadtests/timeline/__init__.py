"""What happens to pods and servers in mid-run: migrate, lock, hold, maintain, resize, recreate, kill, cut, sweep."""
