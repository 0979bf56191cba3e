"""What narrawatch decides: text to claims, claims to vectors, vectors to narratives.

Pure Python and arrays: nothing here knows Kafka, Faust or Prometheus (a test says so), time is passed in,
and importing a module starts nothing. `streams` moves the records that these modules judge.
"""
