"""Estimators with scikit-learn's conventions, trained on meshes: the extra `learn`.

`import eulerian_mfc` does not load scikit-learn; importing this module does.
"""

try:
    import sklearn as _sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        "eulerian_mfc.learn needs scikit-learn, which is not installed: pip install 'eulerian-mfc[learn]'"
    ) from error

from .base import EXCLUDED_CHECKS as EXCLUDED_CHECKS
from .classifier import MeanFieldClassifier as MeanFieldClassifier
from .regressor import MeanFieldRegressor as MeanFieldRegressor

__all__ = ["EXCLUDED_CHECKS", "MeanFieldClassifier", "MeanFieldRegressor"]
