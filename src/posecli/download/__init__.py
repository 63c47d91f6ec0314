"""Files from the network, or from folders, that arrive whole and unchanged or not at all.

Knows sizes and hashes, and nothing of what the files are for. How one file is had:

1. A file that is here already is hashed again; where it is whole, nothing is asked of anybody.
2. The base addresses are tried in order; each may have one file and lack another. What a server refuses for good (not
   found, no access, a web page or another length instead of the file) leads to the next base. What may pass
   (time-outs, a trickle, broken connections, 429, 5xx) is tried again there, after a wait that grows, is random, and
   heeds Retry-After.
3. The bytes go to NAME.part. When a connection breaks off, the next request asks for the rest only; a later process
   does the same. Whatever does not fit on to the part starts it over.
4. The part is read back from disk; only where its size and its git blob SHA-1 are right does it become NAME, in one
   step. Wrong bytes are thrown away and had once more from the same base, all of them, before the next is tried.

Where the hash is unknown, no file is put together from pieces of two answers.
"""

from posecli.download.bases import check_bases, is_offline, shown_address
from posecli.download.patience import Policy
from posecli.download.remote import RemoteFile, blob_sha1
from posecli.download.workers import download

__all__ = ["Policy", "RemoteFile", "blob_sha1", "check_bases", "download", "is_offline", "shown_address"]
