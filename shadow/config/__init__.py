"""shadow.toml and flags → each area's frozen options. Only `cli` imports this package."""
