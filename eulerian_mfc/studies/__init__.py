"""Convergence studies in mesh width, layers, samples and penalty: reproducible, restartable, publishable.

Every study is a set of independent jobs, run in this process, by other processes or by a cluster. Each result is stored as
soon as it arrives. A study returns a `Study`: a table with errors against a stated value and observed orders.
"""

from .convergence import layer_convergence as layer_convergence
from .convergence import mesh_convergence as mesh_convergence
from .crossover import crossover as crossover
from .descent import coupled_descent as coupled_descent
from .job import Job as Job
from .jobs import run_jobs as run_jobs
from .orders import Fit as Fit
from .references import Reference as Reference
from .runner import Runner as Runner
from .sample_design import Distances as Distances
from .samples import sample_convergence as sample_convergence
from .study import Study as Study
from .sweeps import penalty_sweep as penalty_sweep
from .sweeps import sweep as sweep
