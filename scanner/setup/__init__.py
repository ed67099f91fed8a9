"""Everything before the first packet: what was asked for, and what this machine allows. Probes nothing."""
