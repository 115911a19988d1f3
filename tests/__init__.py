"""Tests run against real parts: servers, a browser, the real command in a subprocess."""
