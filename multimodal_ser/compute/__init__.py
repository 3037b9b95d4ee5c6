"""Functions over files, safely: workers that may crash, a cluster, the feature store."""
