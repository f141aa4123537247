"""What the operator decides: YAML files and environment, read once into frozen settings."""
