"""What hosts start with: the container, its compose file, and the guide docs/hosting.md."""
