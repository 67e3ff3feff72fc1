"""Studies: the same task under several schedules, and which gets there sooner and ends better.

>>> from etude.study import task
>>> @task(updates=300, peaks=(0.03, 0.1, 0.3))
... def mine(run):
...     ...  # a plain training loop; see examples/

then ``etude compare path/to/file.py:mine``.
"""

from etude.study.arms import TUTORIALS, Arm, choose_arms
from etude.study.task import Task, find_task, task

__all__ = ["TUTORIALS", "Arm", "Task", "choose_arms", "find_task", "task"]
