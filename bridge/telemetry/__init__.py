"""How the bridge tells of itself: log lines, and the trail of one delivery through them."""
