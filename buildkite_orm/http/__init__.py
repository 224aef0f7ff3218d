"""Connections, requests and responses: what lies between the session and the network."""
