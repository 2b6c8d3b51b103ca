"""What heads learn from: rows of images, and of random views of them."""
