"""An HTTP client that a site need not notice: `client` is the way in.

`gate` lets one request at a time through to a host, `robots` asks what the site permits, `connection` goes
to public addresses only, `body` reads no more than is allowed.
"""
