"""What a bucket is told about the blobs of Darkroom."""
