class BenchError(Exception):
    """Ends the run: the reason, and the last lines of the log that tells more."""

    def __init__(self, reason, log=""):
        super().__init__(reason)
        self.log = "\n".join(log.rstrip().splitlines()[-15:])


class NotServed(BenchError):
    """An agent that takes calls and does not answer them: the one failure that some scenarios keep as a figure, by its `reason`."""

    def __init__(self, name, reason, log=""):
        super().__init__(f"{name}: {reason}", log)
        self.reason = reason
