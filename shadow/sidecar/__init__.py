"""What runs beside the services while they serve: `proxying`, `sinking`, `recording`."""
