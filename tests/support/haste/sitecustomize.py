"""Python runs this first when its folder is on PYTHONPATH: where HASTE says so, the processes of a fleet wait
that much shorter for those who are gone. What is waited for at a target is not touched.
"""

import os
import sys

if (haste := float(os.environ.get("HASTE", "1"))) != 1 and "fleet" in " ".join(sys.orig_argv):
    from scanner.fleet import shard_process

    shard_process.LEASE *= haste
    shard_process.RENEW *= haste
    if "scheduler" in sys.orig_argv:
        from scanner.fleet.dask import settings

        settings.SETTINGS["distributed.scheduler.worker-ttl"] = f"{settings.WORKER_TTL * haste}s"
