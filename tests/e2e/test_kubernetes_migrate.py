"""An agent in use is replaced by changing its pod's image alone, and back: the SPIRE Agent's, Steeple's, the SPIRE Agent's again."""
import subprocess
import unittest

from harness import STOCK
from kubernetes_node import CLIENT, FETCH, REPOSITORY, AgentPod, Node, image_config, main

STOCK_IMAGE = "example.org/spire-agent:e2e"


@unittest.skipUnless(STOCK, "STEEPLE_SPIRE_BIN names no folder with a stock agent")
class Migrate(unittest.TestCase):
    def test_there_and_back(self):
        node = Node()
        self.addCleanup(node.stop)
        tree = node.home / "stock"
        subprocess.run([REPOSITORY / "deploy/image-root", STOCK / "spire-agent", tree], check=True)
        node.containerd.load(STOCK_IMAGE, tree, **image_config())
        agent = AgentPod(node, kept=True, node_attestor="k8s_psat")
        agent.configure()
        client = node.containerd.pod("client")
        container = client.start("client", command=["/pause"], mounts=agent.mounts())
        for image, attested in ((STOCK_IMAGE, True), (None, False), (STOCK_IMAGE, False)):
            agent.start(**({"image": image} if image else {}), configure=False)
            code, out, error = client.execute(container, *FETCH)
            self.assertEqual(code, 0, f"{image}: {error}\n{agent.log()[-3000:]}")
            self.assertIn(f"SPIFFE ID:\t\t{CLIENT}\n", out)
            # The first attested; the others went on with its SVID and key.
            self.assertEqual("Node attestation was successful" in agent.log(), attested, image)
            agent.stop()


if __name__ == "__main__":
    main()
