"""The port that live traffic comes in by: HTTP/1.1, written for little time a request.

It is our own because uvicorn is what held the proxy back (bench/proxy.py) and has no bound on
how long a head may take. The ports that people and scrapers look at are uvicorn's.
"""
