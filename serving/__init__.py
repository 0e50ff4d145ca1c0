"""The doors: HTTP, the page and the command line."""
