"""What unlabelled samples of the candidates teach a fitted classifier."""
