"""The timeline's actions: each is one model that declares what it needs, touches and excludes, and performs it.

A leaf: scenarios are made of these models, so nothing here imports drivers, servers or the conductor. `contract` has
the base class with every declaration and its default, `table` lists the actions.
"""
