"""The commands of `botify-export`, one a file."""
