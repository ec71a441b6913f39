"""What runs beside the services: so far the read-only port."""
