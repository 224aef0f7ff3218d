"""Clusters and their contents."""
