"""Networks and what belongs to them: features, checkpoints, directions, scores."""
