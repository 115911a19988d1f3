"""Manifests for Kubernetes, and the code that writes those which depend on the partitions."""
