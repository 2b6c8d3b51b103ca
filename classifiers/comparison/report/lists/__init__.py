"""Lists of images that a person should look at."""
