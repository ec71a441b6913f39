"""What may stand in each table of shadow.toml. A module of `config` with the same name reads it."""
