"""What students are handed out: a zip with a lab's notebook and the helpers it needs, the same bytes at every build."""
