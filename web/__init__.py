"""HTTP concerns around the handlers: CORS, middleware, errors and the server."""
