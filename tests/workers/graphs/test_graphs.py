"""Weights, as a tar of ONNX graphs or as a checkpoint, and the graphs that are built of them."""

import gzip
import io
import pickle
import shutil
import tarfile
import zipfile
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from tests.support.sound import read_wav
from tests.workers.tars import tar_of
from tests.workers.whole_graphs import WIDTHS, enhanced_by_graphs
from workers import registry
from workers.graphs import banks, checkpoint, place
from workers.graphs.errors import WeightsError
from workers.models import export
from workers.weights.tars import MOST
from workers.weights.weights import FAMILIES

SECONDS = 4


def repacked(tar: Path, out: Path, **changed: bytes | None) -> Path:
    """The tar with other contents for some of its members, or without them."""
    with tarfile.open(tar) as before, tarfile.open(out, "w:gz", compresslevel=1) as after:
        for member in before.getmembers():
            name = Path(member.name).stem
            stream = before.extractfile(member)
            assert stream is not None
            content = changed.get(name, stream.read())
            if content is not None:
                member.size = len(content)
                after.addfile(member, io.BytesIO(content))
    return out


def inside(tar: Path, name: str) -> bytes:
    with tarfile.open(tar) as packed:
        stream = packed.extractfile(f"tmp/export/{name}")
        assert stream is not None
        return stream.read()


@pytest.mark.parametrize("name", sorted(FAMILIES.keys() - {"deepfilternet3_ll"}))
def test_a_tar_and_a_checkpoint_are_the_same(name: str, models_folder: Path) -> None:
    """Upstream's export and its checkpoint come to the same configuration and, bit for bit, the same tensors."""
    configuration, tensors = place.read(tar_of(name))
    same, others = place.read(models_folder / FAMILIES[name].folder)
    assert configuration == same and tensors.keys() == others.keys()
    assert all(np.array_equal(value, others[key]) for key, value in tensors.items())


@pytest.mark.parametrize("name", FAMILIES)
def test_latency_is_known_from_the_configuration(name: str) -> None:
    """A tar's config.ini says which denoiser it is, and how late."""
    configuration, _ = place.read(tar_of(name))
    assert (configuration.version, configuration.latency) == export.KINDS[name]


def test_bands() -> None:
    """The bands of the ERB scale are libdf's, and each takes the mean of its bins."""
    assert tuple(banks.widths()) == WIDTHS
    assert np.allclose(banks.analysis().sum(axis=0), 1) and (banks.synthesis().sum(axis=0) == 1).all()


@pytest.mark.parametrize("name", ["deepfilternet3", "deepfilternet3_ll"])
def test_streaming_is_the_whole(name: str, audio_folder: Path, tmp_path: Path) -> None:
    """Hops one or two at a time through a tar's graph are what its three graphs make of the whole sound, to 100 dB."""
    graph = tmp_path / "graph.onnx"
    export.export(name, tar_of(name), graph)
    model = registry.load(name)({"graph": graph})
    sound = read_wav(audio_folder / "noisy_snr0.wav")[: SECONDS * 48_000]
    whole = enhanced_by_graphs(tar_of(name), sound, look_ahead=model.latency // 480 - 1)
    voice, heard, at, hops = model.open(), [], 0, cycle((2, 1, 2))
    while at < len(sound):
        heard.append(model.clean([voice], sound[None, at : at + 480 * next(hops)])[0])
        at += len(heard[-1])
    late = model.latency - 480
    ours = np.concatenate(heard)[late:].astype(float)
    wanted = whole[: len(ours)].astype(float)
    assert 10 * np.log10(np.sum(wanted**2) / np.sum((wanted - ours) ** 2)) >= 100


def spoilt_tars(tmp_path: Path) -> dict[str, Path]:
    """What tars may be like, by what their one line has to say."""
    good, bad = tar_of("deepfilternet3"), {}
    bad["cut short"] = tmp_path / "cut_onnx.tar.gz"
    bad["cut short"].write_bytes(good.read_bytes()[:4_000_000])
    bad["it is no archive of weights"] = tmp_path / "text_onnx.tar.gz"
    bad["it is no archive of weights"].write_bytes(b"<html>not found</html>" * 99)
    bad["there is no enc.onnx"] = repacked(good, tmp_path / "lack_onnx.tar.gz", enc=None)
    bad["is no ONNX model"] = repacked(good, tmp_path / "junk_onnx.tar.gz", enc=b"\xff" * 999)
    bad["the weights lack"] = repacked(good, tmp_path / "empty_onnx.tar.gz", df_dec=b"")
    config = inside(good, "config.ini")
    bad["as config.ini would have it"] = repacked(
        good, tmp_path / "wide_onnx.tar.gz", config=config.replace(b"kernel_size_t = 5", b"kernel_size_t = 3")
    )
    bad["only 5 is supported"] = repacked(good, tmp_path / "order_onnx.tar.gz", config=config.replace(b"df_order = 5", b"df_order = 7"))
    return bad


def test_spoilt_tars(tmp_path: Path) -> None:
    """A tar that is cut, no tar, or lacks or contradicts something is one line, and no file."""
    for said, tar in spoilt_tars(tmp_path).items():
        out = tmp_path / "cache" / "graph.onnx"
        with pytest.raises(WeightsError, match=said) as told:
            export.export("deepfilternet3", tar, out)
        assert len(str(told.value).splitlines()) == 1 and not out.parent.exists()


def test_another_models_tar(tmp_path: Path) -> None:
    """Weights of another denoiser than the one asked for are refused by name."""
    with pytest.raises(ValueError, match="another model's: deepfilternet3"):
        export.export("deepfilternet2", tar_of("deepfilternet3"), tmp_path / "graph.onnx")
    assert not list(tmp_path.iterdir())


def test_a_tar_writes_nowhere(tmp_path: Path) -> None:
    """Names that lead out of the folder, links and a bomb of zeros leave no file and are one line."""
    tar = tmp_path / "evil_onnx.tar.gz"
    with tarfile.open(tar, "w:gz") as packed:
        for name in ("../../outside/enc.onnx", "/tmp/hushcast-outside/erb_dec.onnx"):
            member = tarfile.TarInfo(name)
            packed.addfile(member)
        link = tarfile.TarInfo("df_dec.onnx")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(link)
    with pytest.raises(WeightsError, match="as a link"):
        place.read(tar)
    bomb = tarfile.TarInfo("enc.onnx")
    bomb.size = MOST + 1
    with gzip.open(tar, "wb", compresslevel=1) as packed_bytes:
        packed_bytes.write(bomb.tobuf())
    with pytest.raises(WeightsError, match="far larger than weights are"):
        place.read(tar)
    with gzip.open(tar, "wb", compresslevel=1) as packed_bytes:
        header = tarfile.TarInfo("header")
        header.type, header.size = tarfile.XHDTYPE, 2 * MOST
        packed_bytes.write(header.tobuf())
        for _ in range(2 * MOST >> 20):
            packed_bytes.write(bytes(2**20))
    with pytest.raises(WeightsError, match="far larger than weights are"):
        place.read(tar)
    assert [file.name for file in tmp_path.iterdir()] == ["evil_onnx.tar.gz"]


class Deadly:
    """A pickle that would write a file when it is read."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._file,)


def test_a_checkpoint_runs_nothing(tmp_path: Path) -> None:
    """A pickle that calls something else than what makes tensors is refused before it does."""
    file, touched = tmp_path / "model_1.ckpt.best", tmp_path / "touched"
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("archive/data.pkl", pickle.dumps({"enc.weight": Deadly(touched)}, protocol=2))
    with pytest.raises(WeightsError, match="it is not run"):
        checkpoint.learnt(file)
    assert not touched.exists()


def storage(key: str, numbers: int) -> bytes:
    """In a pickle: a tensor of so many numbers, all of them the first one of a storage."""
    number = b"J" + numbers.to_bytes(4, "little")
    reference = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0" + key.encode() + b"X\x03\0\0\0cpu" + number + b"tQ"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + reference + b"K\0" + number + b"\x85K\0\x85\x89)tR"


def test_a_checkpoint_takes_no_more_than_it_has(tmp_path: Path) -> None:
    """One that refers to a place far away, or has a thousand tensors of the same numbers, takes little memory; a spoilt one is a line."""
    file = tmp_path / "model_1.ckpt.best"

    def pack(content: bytes, numbers: int = 0) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
            packed.writestr("archive/data.pkl", b"\x80\x02" + content + b".")
            packed.writestr("archive/data/0", bytes(4 * numbers))

    pack(b"}r\xff\xff\xff\x7f")
    assert checkpoint.learnt(file) == {}
    pack(b"}(X\x01\0\0\0a" + storage("0", 3) + b"u", 3)
    assert {name: value.tolist() for name, value in checkpoint.learnt(file).items()} == {"a": [0, 0, 0]}
    tensors = b"".join(b"X\x03\0\0\0" + f"{number:03}".encode() + storage("0", 2**20) for number in range(999))
    pack(b"}(" + tensors + b"u", 2**20)
    with pytest.raises(WeightsError, match="too large"):
        checkpoint.learnt(file)
    content = bytearray(file.read_bytes())
    content[60:90] = b"\xff" * 30
    file.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        checkpoint.learnt(file)


@pytest.mark.parametrize("keep", [0, 100, 100_000, 8_000_000])
def test_a_cut_checkpoint(keep: int, models_folder: Path, tmp_path: Path) -> None:
    """A checkpoint that ends anywhere is one line."""
    folder = Path(shutil.copytree(models_folder / "DeepFilterNet3", tmp_path / "it", copy_function=shutil.copyfile))
    file = next((folder / "checkpoints").iterdir())
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(WeightsError, match="damaged or no checkpoint"):
        place.read(folder)
