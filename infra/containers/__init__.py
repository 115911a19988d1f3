"""The compose file run for real with podman."""
