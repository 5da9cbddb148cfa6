class BenchError(Exception):
    """Ends the run: the reason, and the last lines of the log that tells more."""

    def __init__(self, reason, log=""):
        super().__init__(reason)
        self.log = "\n".join(log.rstrip().splitlines()[-15:])
