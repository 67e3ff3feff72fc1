"""Recording training runs, and the stores that they are kept in.

Every attempt at a run is a row of its own, every reading is on disk when ``append`` returns, and nothing
recorded is ever deleted.

>>> import tempfile
>>> from etude.readings import Reading
>>> from etude.record import RunKey, open_store
>>> key = RunKey(task="digits", schedule="Cosine(over='90%')", peak=0.1, budget=1000, seed=7)
>>> with tempfile.TemporaryDirectory() as folder, open_store(f"{folder}/runs.db") as store:
...     run_id = store.start(key, label="cosine", fingerprint="5f3a", versions={"etude": "0.1.0"})
...     store.append(run_id, [Reading(0, {"0": 0.1}, "cosine", {"loss": 2.3})])
...     store.finish(run_id, {"validation": 0.91})
...     store.finished(key).results
{'validation': 0.91}
"""

from etude.record.leftovers import take_up
from etude.record.opening import open_store
from etude.record.process import Process
from etude.record.recorder import Recorder
from etude.record.sqlite import SqliteStore
from etude.record.store import RunKey, RunRecord, Status, Store
from etude.record.thinning import thinned

__all__ = [
    "Process",
    "Recorder",
    "RunKey",
    "RunRecord",
    "SqliteStore",
    "Status",
    "Store",
    "open_store",
    "take_up",
    "thinned",
]
