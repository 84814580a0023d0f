//! Ways to embed the Phoenix homeserver protocol: see the examples of this package, one file for each way.
