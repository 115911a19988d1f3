"""Ways into Darkroom for people and programs: a command line, an HTTP client and a publisher.

`clients.api` has `Client` and `AsyncClient`, `clients.publisher` has `Publisher`. Nothing is imported here, so that
`darkroom --help` stays quick.
"""
