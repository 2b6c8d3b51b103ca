"""Where a cache and its sources lie: folders of this machine, and places behind URLs."""
