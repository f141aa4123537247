"""The control process: snapshots, leases, probes, ingest."""
