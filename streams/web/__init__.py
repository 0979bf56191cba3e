"""The page with the quotes: it reads the results of the workers, and never reaches into them.

Records come in from topics (`topic_reader`) or from a folder that `replay` wrote (`folder`), `intake` keeps
them in a bounded SQLite file (`store`), `queries` ask it, `pages` and `api` answer over HTTP behind `gate`.
"""
