"""The commands of `darkroom`, one module each. They only read options; what they do is imported when it is done."""
