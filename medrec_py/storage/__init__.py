"""Where encrypted blocks live: a local folder, a Kubo node (IPFS), trustless gateways, or several in turn.

Every home gives the same content the same CID, and no byte is returned that was not compared with its CID::

    with open_store("~/.local/share/medrec/blocks") as store:
        cid = store.put(open("scan.sealed", "rb"))
        store.verify(cid)
        for piece in store.open(cid):
            ...
"""

from medrec_py.storage.car import export_car, import_car
from medrec_py.storage.cid import Cid, Unverified
from medrec_py.storage.dag import BLOCK_LIMIT, LEAF_SIZE, Source, file_cid
from medrec_py.storage.fallback import FallbackStore
from medrec_py.storage.folder import Collected, FolderStore
from medrec_py.storage.gateway import GatewayStore
from medrec_py.storage.kubo import KuboStore
from medrec_py.storage.opening import open_store
from medrec_py.storage.store import BlockStore

__all__ = [
    "BLOCK_LIMIT",
    "LEAF_SIZE",
    "BlockStore",
    "Cid",
    "Collected",
    "FallbackStore",
    "FolderStore",
    "GatewayStore",
    "KuboStore",
    "Source",
    "Unverified",
    "export_car",
    "file_cid",
    "import_car",
    "open_store",
]
