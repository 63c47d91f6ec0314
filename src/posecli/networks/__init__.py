"""The networks: architectures only, no files, no devices."""
