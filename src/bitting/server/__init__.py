"""The HTTP door: assembly, the outermost guard, errors as problem+json, the OpenAPI document."""
