"""What the kernel holds for sockets, of all processes of this machine together."""

from pathlib import Path

from msgspec import Struct


class Kernel(Struct, frozen=True):
    """KiB at one moment. *slab*: structures such as sockets, files and inodes; *buffers*: bytes on their way in TCP."""

    slab: int
    buffers: int

    def since(self, before: "Kernel") -> "Kernel":
        """The growth."""
        return Kernel(**{name: getattr(self, name) - getattr(before, name) for name in self.__struct_fields__})


def look_at_kernel() -> Kernel:
    """proc_meminfo(5), and proc_pid_net(5) for sockstat."""
    fields = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    meminfo = {name.rstrip(":"): int(value) for name, value, *_ in fields}
    tcp = next(line for line in Path("/proc/net/sockstat").read_text().splitlines() if line.startswith("TCP:")).split()
    counts = dict(zip(tcp[1::2], map(int, tcp[2::2]), strict=True))
    return Kernel(
        # What can be given back at once, file names read for example, is no socket's.
        slab=meminfo["SUnreclaim"],
        buffers=counts["mem"] * 4,
    )
