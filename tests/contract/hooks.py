"""What schemathesis has to be told: it knows how the bytes of most pictures are sent, these it does not know."""

import schemathesis

schemathesis.serializer.alias(["image/avif", "image/tiff"], "image/png")
