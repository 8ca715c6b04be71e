"""What a process measures, the sum over all workers of one `bitting serve`, and the page that tells it."""

from bitting.server.metrics.page import MetricsPage
from bitting.server.metrics.process import Metrics
from bitting.server.metrics.sharing import own_folder, shared_folder

__all__ = ["Metrics", "MetricsPage", "own_folder", "shared_folder"]
