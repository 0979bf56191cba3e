"""What narrawatch moves: records, topics, agents, metrics and the command line.

Every decision is taken in `models`; the modules here decode, call, emit and persist.
"""
