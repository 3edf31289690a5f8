"""What HTTP needs around the handlers: origins, requests, failures."""
