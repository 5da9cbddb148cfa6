"""What scenarios share: the order of runs, the record of a run."""
import sys
import time


class Bench:
    """A world, the results, and the rounds."""

    def __init__(self, options, world, results):
        self.options, self.world, self.results = options, world, results
        self.done = 0

    def turns(self, agents):
        """(round, agent): A B C, C B A, A B C, ..."""
        for number in range(self.options.rounds):
            for agent in agents if number % 2 == 0 else reversed(agents):
                yield number, agent

    def record(self, scenario, variant, name, columns, measure):
        """Runs `measure`, which returns figures, and keeps them with what else the machine did."""
        self.progress(f"{scenario}: {variant}: {name}")
        meter = self.world.meter()
        figures = measure()
        self.results.add(scenario, variant, name, columns, figures, meter.end())
        self.done += 1
        return figures

    def progress(self, text):
        stamp = time.strftime("%H:%M:%S")
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{stamp} [{self.done} runs] {text}")
        else:
            sys.stderr.write(f"{stamp} [{self.done} runs] {text}\n")
        sys.stderr.flush()
