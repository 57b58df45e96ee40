"""The servers that `hugmood loadtest compare` measures beside ours, each behind the interface of peer.py."""
