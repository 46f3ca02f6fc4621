"""The storage contract on any SQL engine: locking strategies, and the transactions that they run in.

An engine brings a driver, what its errors mean, and its dialect in `.sql` files; nothing here knows which one it is.
"""
