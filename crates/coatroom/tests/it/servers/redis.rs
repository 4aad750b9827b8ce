//! Redis servers: one alone, several as a cluster, and Sentinels that watch one with a replica.
