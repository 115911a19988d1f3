"""What the services agree on: events, keys, errors, the stage, the blob store, telemetry."""
