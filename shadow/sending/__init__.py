"""One recorded request in, one observation of one service out.

`target` says where, `rewrite` makes the exact bytes, `wire` sends them, `transport` offers the
wire to any httpx client, `probe` asks whether anything listens.
"""
