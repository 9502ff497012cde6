"""A cluster for tests without Ray: it runs tasks here and now, in the order in which they came."""

from auditkit.core.cluster import Began, Gone, Over, Work


class CalmCluster:
    """See `auditkit.core.cluster.Cluster`."""

    slots, memory = 2, 1 << 30

    def __init__(self, losses: int = 0) -> None:
        """Lose the first so many tasks."""
        self.losses, self.given_up = losses, 0

    def put(self, value):
        """Return what stands for the value: itself."""
        return value

    def begin(self, steps, *arguments, reused=0):
        """Begin a task."""
        self.losses -= 1
        said = [Gone("a crash")] if self.losses >= 0 else steps(*arguments)
        return Work(iter([Began(), *said, Over()]))

    def heard(self, works, seconds):
        """Yield what the first task says."""
        for work in [*works][:1]:
            event = next(work.stream)
            work.began = True
            yield work, event

    def give_up(self, work):
        """Count it."""
        self.given_up += 1
