"""The fast path's connections to Redis: one server, Sentinel or Cluster."""
