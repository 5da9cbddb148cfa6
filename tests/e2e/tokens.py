"""What the suites do with JWT-SVIDs: read them, fetch them by the agent's command line, rotate the authority that signs them."""
import base64
import json
import subprocess

from authorities import authority
from harness import PATIENCE, TRUST_DOMAIN, wait_until


def part(token, number):
    """The header (0) or the claims (1)."""
    text = token.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def run_api(agent, words, *arguments, **child):
    return subprocess.run([agent.program, "api", *words.split(), "-socketPath", agent.socket, *arguments], capture_output=True, text=True,
                          timeout=60 * PATIENCE, **child)


def fetch(agent, audience, *extra, **child):
    """The tokens, and the key ids of the own bundle."""
    done = run_api(agent, "fetch jwt", "-audience", audience, "-output", "json", "-timeout", "40s", *extra, **child)
    if done.returncode != 0:
        raise AssertionError(done.stderr + agent.process.log()[-2000:])
    svids, bundles = json.loads(done.stdout)
    keys = json.loads(base64.b64decode(bundles["bundles"][f"spiffe://{TRUST_DOMAIN}"]))["keys"]
    return [svid["svid"] for svid in svids["svids"]], [key["kid"] for key in keys]


def prepare_authority(server, agent, **child):
    """Has the server make the next key, waits until the agent hands it out, and gives its id. `child` is who asks the agent."""
    server.command("localauthority jwt prepare")
    prepared = authority(server, "JWT", "Prepared")
    wait_until(lambda: prepared in fetch(agent, "db", **child)[1], 20, "the prepared key is not in the agent's bundle")
    return prepared
