"""Reads labels, 2D and 3D tables into matrices with pandas, the baseline of the benchmark `table_reading`.

As a data scientist writes it: `read_csv`, rows of one conformer averaged, rows in the order of the labels.
Arguments: the three files. Prints one line of JSON; the time is without the import of pandas.
"""

import json
import resource
import sys
import time

import numpy as np
import pandas as pd

start, cpu_start = time.perf_counter(), time.process_time()
labels, table_2d, table_3d = (pd.read_csv(path) for path in sys.argv[1:])
labels = labels[labels["split"].isin(["train", "leaderboard"])]
names_2d = sorted(table_2d.columns.difference(["ID"]))
names_3d = sorted(table_3d.columns.difference(["ID", "conf_id"]))
x2d = table_2d.set_index("ID").loc[labels["ID"], names_2d].to_numpy(np.float32)
instances = table_3d.groupby(["ID", "conf_id"], sort=False)[names_3d].mean().reset_index()
order = pd.Series(np.arange(len(labels)), index=labels["ID"])
instances["molecule"] = instances["ID"].map(order)
instances = instances.dropna(subset="molecule").sort_values("molecule", kind="stable")
x3d = instances[names_3d].to_numpy(np.float32)
offsets = np.concatenate([[0], np.cumsum(instances.groupby("molecule").size())])
seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
assert len(offsets) == len(x2d) + 1 and offsets[-1] == len(x3d)
# Kilobytes on Linux, bytes on macOS.
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
total = float(x2d.sum(dtype=np.float64) + x3d.sum(dtype=np.float64))
print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak, "sum": total}))
