"""Two storage systems behind one pod, `dual(LEGACY,UPGRADED)`: how accounts move from the one to the other.

`docs/migration.md` tells what it does and why, for whoever plans such a move.
"""
