"""The signing authorities of a server."""
import re


def authority(server, kind, slot):
    """The id of the X.509 or JWT authority that is Active, Prepared or Old."""
    shown = server.command(f"localauthority {kind.replace('.', '').lower()} show").stdout
    return re.search(rf"{slot} {re.escape(kind)} authority:\n  Authority ID: (\S+)", shown).group(1)
