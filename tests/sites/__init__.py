"""Local servers that speak the protocols of comment sources strictly, and break as those do.

Each holds a scripted discussion (`talk`), lets it go on as it is asked, notes every request that its
documentation does not allow (`Site.violations`), and says in the end what a reader should have got
(`Site.truth`).
"""
