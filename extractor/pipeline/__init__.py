"""The one stream that makes features, and what feeds and drains it."""
