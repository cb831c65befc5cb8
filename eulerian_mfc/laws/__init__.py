"""Initial laws of inputs and labels (X, Y).

Every law has a quadrature rule for `int f dmu0`, draws samples, and gives a box that holds its mass. The rule can be refined
so that panels end on the grid lines on which a mesh's basis functions are not smooth. A new law needs one file and one line
here.
"""

from .augmented import Augmented as Augmented
from .base import LabelledLaw as LabelledLaw
from .base import LabelledRule as LabelledRule
from .base import Law as Law
from .base import ProductRule as ProductRule
from .base import Rule as Rule
from .distance import Distance as Distance
from .distance import wasserstein as wasserstein
from .empirical import Empirical as Empirical
from .gaussian import Gaussian as Gaussian
from .gaussian import GaussianMixture as GaussianMixture
from .labelled import Labelled as Labelled
from .refined import RefinedRule as RefinedRule
from .refined import refined_rule as refined_rule
from .uniform import Uniform as Uniform
from .uniform import UniformBall as UniformBall

#: the laws by name; the tests run over them
REGISTRY: dict[str, type[Law | LabelledLaw]] = {
    "empirical": Empirical,
    "gaussian": Gaussian,
    "gaussian_mixture": GaussianMixture,
    "uniform": Uniform,
    "uniform_ball": UniformBall,
    "labelled": Labelled,
    "augmented": Augmented,
}

__all__ = [
    "REGISTRY",
    "Augmented",
    "Distance",
    "Empirical",
    "Gaussian",
    "GaussianMixture",
    "Labelled",
    "LabelledLaw",
    "LabelledRule",
    "Law",
    "ProductRule",
    "RefinedRule",
    "Rule",
    "Uniform",
    "UniformBall",
    "refined_rule",
    "wasserstein",
]
