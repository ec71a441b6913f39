"""One request on its way to a service and back, as it comes."""
