"""Two storage systems behind one pod, `dual(LEGACY,UPGRADED)`: how accounts move from the one to the other.

`docs/migration.md` describes what it does and why, for those who plan such a move.
"""
