"""Where the files of a source lie: a folder, a URL, a zip archive."""
