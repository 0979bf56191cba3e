"""Notifications: from events, or from Alertmanager's alerts, to webhooks with quotes.

`notification` is what is said, `formats` how it looks to each kind of receiver, `webhook` how it gets there
(signed, retried, and never to a private address: `guarded_transport`), `dispatcher` who is told and who is
not. `events` reads the topic of events; `bridge` takes what Alertmanager sends and `narrative_book` adds the
quotes.
"""
