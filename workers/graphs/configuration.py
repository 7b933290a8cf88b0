"""The configuration of a model, read from its config.ini: which parts it has and their sizes."""

import configparser
from dataclasses import dataclass

from workers.graphs.errors import WeightsError

BINS, LOW_BINS, BANDS, ORDER, CHANNELS = 481, 96, 32, 5, 64
LARGEST = 65_536  # characters of a config.ini; upstream's have 2,000
# Settings that upstream allows to differ, but that are the same in every published model. The builder supports these values only.
FIXED = {"sr": 48_000, "fft_size": 960, "hop_size": 480, "nb_erb": BANDS, "nb_df": LOW_BINS, "min_nb_erb_freqs": 2, "norm_tau": 1}
FIXED |= {"df_order": ORDER, "conv_ch": CHANNELS, "df_n_iter": 1}
DEFAULTS = {"min_nb_erb_freqs": "2", "norm_tau": "1", "df_order": "5", "df_n_iter": "1"}


@dataclass(frozen=True)
class Configuration:
    """The sizes of one model. `version` is 2 or 3: DeepFilterNet2 or 3."""

    version: int
    look_ahead: int  # hops that the convolutions look ahead
    filter_look_ahead: int  # and the deep filter
    conv_frames: int  # frames that a convolution inside sees: 1, or 2 where the model does not look ahead
    pathway_frames: int  # frames that the pathway to the coefficients sees
    hidden: int  # units of a GRU layer
    mask_layers: int
    filter_layers: int
    encoder_groups: int  # of the grouped linear layer from the complex features
    groups: int  # of the other grouped linear layers
    beta: float  # of DeepFilterNet3's post filter

    @property
    def wait(self) -> int:
        """Hops that the coefficients of DeepFilterNet2 wait, because its deep filter runs on the masked spectrum."""
        return self.filter_look_ahead if self.version == 2 else 0

    @property
    def latency(self) -> int:
        """Samples by which the output trails the input: half a frame of the STFT, and what the model waits for."""
        return 480 * (1 + self.look_ahead + self.wait)


def parsed(text: str) -> Configuration:
    """The configuration that upstream's config.ini describes. Raises WeightsError."""
    if len(text) > LARGEST:
        raise WeightsError("config.ini is too large to be one")
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise WeightsError(f"config.ini cannot be read: {' '.join(str(error).split())}") from error
    try:
        made = _configuration(_Values(parser))
    except ValueError as error:
        raise WeightsError(f"config.ini: {error}") from error
    return made


class _Values:
    """Settings by name. Older files have those of [df] in [deepfilternet]; both sections are read."""

    def __init__(self, parser: configparser.ConfigParser) -> None:
        self._parser = parser

    def text(self, name: str, default: str | None = None, sections: tuple[str, ...] = ("df", "deepfilternet")) -> str:
        for section in sections:
            if self._parser.has_option(section, name):
                return self._parser.get(section, name).strip()
        if default is None:
            raise ValueError(f"{name} is missing")
        return default

    def number(self, name: str, default: str | None = None) -> int:
        text = self.text(name, default)
        if not text.isascii() or not text.isdigit():
            raise ValueError(f"{name} is no number: {text[:40]!r}")
        return int(text)


def _configuration(values: _Values) -> Configuration:
    model = values.text("model", sections=("train",))
    if model not in ("deepfilternet2", "deepfilternet3"):
        raise ValueError(f"the model is {model[:40]!r}, neither deepfilternet2 nor deepfilternet3")
    for name, wanted in FIXED.items():
        found = values.number(name, DEFAULTS.get(name))
        if found != wanted:
            raise ValueError(f"{name} is {found}, only {wanted} is supported")
    version, groups = int(model[-1]), values.number("linear_groups")
    kernel = values.text("conv_kernel", "1,3").replace(" ", "")
    if kernel not in ("1,3", "2,3") or values.text("conv_kernel_inp", "3,3").replace(" ", "") != "3,3":
        raise ValueError("convolutions of that size are not supported")
    skips = {"df_gru_skip": "none" if version == 2 else "groupedlinear", "emb_gru_skip": "none", "emb_gru_skip_enc": "none"}
    for name, skip in skips.items():
        if values.text(name, skip).lower() != skip:
            raise ValueError(f"{name} other than {skip} is not supported")
    if (values.text("enc_concat", "False").lower() == "true") != (version == 2):
        raise ValueError(f"enc_concat does not fit {model}")
    hidden = values.number("emb_hidden_dim")
    if values.number("df_hidden_dim") != hidden or hidden not in (256, 512):
        raise ValueError("GRUs of that size are not supported")
    made = Configuration(
        version=version,
        look_ahead=values.number("conv_lookahead"),
        filter_look_ahead=values.number("df_lookahead"),
        conv_frames=int(kernel[0]),
        pathway_frames=values.number("df_pathway_kernel_size_t"),
        hidden=hidden,
        mask_layers=values.number("emb_num_layers") - 1,
        filter_layers=values.number("df_num_layers"),
        encoder_groups=values.number("enc_linear_groups", "16") if version == 3 else groups,
        groups=groups,
        beta=float(values.text("pf_beta", "0.02")),
    )
    _check(made)
    return made


def _check(made: Configuration) -> None:
    if (made.look_ahead, made.filter_look_ahead) not in ((0, 0), (2, 2)):
        raise ValueError(f"a look-ahead of {made.look_ahead} and {made.filter_look_ahead} frames is not supported")
    if not (1 <= made.pathway_frames <= 9 and 1 <= made.mask_layers <= 4 and 1 <= made.filter_layers <= 4):
        raise ValueError("a model of that depth is not supported")
    if made.groups != (8 if made.version == 2 else 16) or made.encoder_groups not in ((8,) if made.version == 2 else (16, 32)):
        raise ValueError(f"{made.groups} and {made.encoder_groups} groups are not supported")
    if not 0 <= made.beta < 1:
        raise ValueError(f"pf_beta is {made.beta}, not a number from 0 to 1")
