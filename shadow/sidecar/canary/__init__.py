"""Which service answers, and when a route goes back to Go for good."""
