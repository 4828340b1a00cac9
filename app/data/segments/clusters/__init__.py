"""Clusters: people who are alike in some facts, found by k-means, with labels that stay."""
