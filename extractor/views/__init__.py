"""Views: seeded, random variants of an image."""
