"""Shadow-traffic differential testing for services that move from Go to Rust."""

__version__ = "0.1.0"
