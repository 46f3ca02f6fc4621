"""YAML files that people write: read with their lines, validated, every problem named with its place."""
