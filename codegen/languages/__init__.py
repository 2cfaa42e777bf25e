"""Output languages: quoting functions, and pieces of source that templates may print."""
