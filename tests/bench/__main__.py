"""`python3 run.py bench workers|fanout|presence|ear|all`: measure. Speed lives here, as ratios in one run, never in a test."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from sfu.errors import ConfigError
from tests.bench import browser_loss, fanout, fanout_report, lossy_fanout, mouth, network, places, presence, small, starting, workers
from tests.bench.asked import AUDIO_HELP, MODELS_HELP, Parser, Refused, counts, names, page_file, seconds, whole, without_config
from tests.bench.contenders import Options as WorkersOptions
from tests.bench.lossy_ears import KINDS
from tests.bench.plots import page
from tests.bench.report import Report
from workers import registry

BENCHES = ("workers", "fanout", "presence", "ear")
SERVERS = {"hushcast": "hushcast", "red": "hushcast RED", "classic": "classic", "janus": "janus"}


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        arguments = without_config(sys.argv[1:] if arguments is None else arguments)
    except ConfigError as error:
        print(f"hushcast: {error}", file=sys.stderr)
        return 2
    if "workers" in arguments[:1]:  # it has options of its own
        return workers.main(arguments[1:])
    asked = parser().parse_args(arguments)
    if wrong := _together(asked):
        print(f"run.py bench {asked.bench}: {wrong}", file=sys.stderr)
        return 2
    if "fanout" in chosen(asked) and "janus" in (asked.servers or ("janus",)):
        network.enter("tests.bench", arguments)
    reports: dict[str, Report] = {}
    for name in chosen(asked):
        try:
            reports[name] = _measured(name, asked)
        except Refused as refused:
            print(f"run.py bench {name}: {refused}", file=sys.stderr)
            if asked.bench != "all":
                return 2
        else:
            if not asked.json:
                print(reports[name].text(), flush=True)
    _hand_over(asked, reports)
    return 0 if len(reports) == len(chosen(asked)) else 2


def _together(asked: argparse.Namespace) -> str:
    """Which options do not go together, and why; "" where all do."""
    if (asked.start or asked.memory) and asked.bench != "presence":
        return "--start and --memory go with presence"
    if asked.start and asked.memory:
        return "--start and --memory are two runs"
    return "--against goes with presence --start, or with workers" if asked.against and not asked.start else ""


def chosen(asked: argparse.Namespace) -> Sequence[str]:
    return BENCHES if asked.bench == "all" else (asked.bench,)


def _hand_over(asked: argparse.Namespace, reports: dict[str, Report]) -> None:
    """JSON and the page, of all that could be measured."""
    if asked.json:
        rows = {name: report.as_json() for name, report in reports.items()}
        print(json.dumps(rows if asked.bench == "all" else rows[asked.bench], indent=1))
        for warning in (warning for report in reports.values() for warning in report.warnings):
            print(warning, file=sys.stderr)
    if asked.plot:
        asked.plot.write_text(page(list(reports.values())), encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    made = Parser(prog="run.py bench", description="Measure Hushcast, as ratios in one run.")
    made.add_argument("bench", choices=(*BENCHES, "all"), help="workers has options of its own: bench workers --help")
    made.add_argument("--json", action="store_true", help="figures for programs")
    made.add_argument("--plot", type=page_file, metavar="FILE.html", help="a page with charts")
    made.add_argument("--rounds", type=whole(1), help="default: workers and fanout 5, presence 7, ear 3; with --loss there is one")
    made.add_argument(
        "--seconds", type=seconds, help=f"of one window; default: workers 30, fanout and presence 20, ear 14, and at least {mouth.LEAST_S}"
    )
    made.add_argument("--listeners", type=counts(), help="fanout: default 1,10,30,100,300; presence: 100")
    made.add_argument("--servers", type=names(list(SERVERS), "server"), help=f"fanout, of {','.join(SERVERS)}")
    made.add_argument("--loss", choices=KINDS, help="fanout: behind a bad network instead, percent or kind; default 4 listeners")
    made.add_argument("--browser", action="store_true", help="with --loss: what Chromium conceals; default 300 s, 15,000 packets")
    made.add_argument("--classic-most", type=whole(0), default=30, help="fanout: more listeners than this are not asked of the classic way")
    made.add_argument("--variant", choices=("original", "auto"), default="original", help="fanout: auto is denoised, hushcast alone")
    made.add_argument("--start", action="store_true", help="presence: a first start in an empty folder, and later ones, instead")
    made.add_argument("--against", type=Path, metavar="FOLDER", help="with --start: another checkout, in turn")
    made.add_argument("--memory", action="store_true", help="presence: memory (PSS) idle, and with a voice and ten listeners, instead")
    made.add_argument("--audio", type=Path, default=places.given("AUDIO"), help=AUDIO_HELP)
    made.add_argument("--models", type=Path, default=places.given("MODELS"), help=MODELS_HELP)
    return made


def _measured(name: str, asked: argparse.Namespace) -> Report:
    """Raises Refused."""
    match name:
        case "workers":
            return workers.measured(workers_options(asked))
        case "fanout" if asked.loss:
            return asyncio.run(_behind_loss(asked))
        case "fanout":
            return asyncio.run(_fanout(asked))
        case "presence" if asked.start:
            return asyncio.run(starting.report(starting.Options(asked.against, asked.models, asked.rounds or 3)))
        case "presence" if asked.memory:
            return asyncio.run(small.report(places.weights(asked.models), places.sound(asked.audio)))
        case "presence":
            asked.models = places.weights(asked.models)
            return asyncio.run(presence.report(presence_options(asked)))
        case _:
            options = mouth_options(asked)
            options.audio, options.models = places.sound(asked.audio), places.weights(asked.models)
            return asyncio.run(mouth.report(options))


def workers_options(asked: argparse.Namespace) -> WorkersOptions:
    """As a part of `all`."""
    options = WorkersOptions(asked.audio, asked.models, registry.names())
    options.rounds, options.seconds = asked.rounds or options.rounds, asked.seconds or options.seconds
    return options


def presence_options(asked: argparse.Namespace) -> presence.Options:
    listeners = max(asked.listeners) if asked.listeners and asked.bench != "all" else 100
    return presence.Options(asked.rounds or 7, listeners, asked.seconds or 20.0, models=asked.models)


def mouth_options(asked: argparse.Namespace) -> mouth.Options:
    """Raises Refused where the windows are too short for a voice; as a part of `all` they are as long as they must be."""
    wanted = asked.seconds or 14
    if wanted < mouth.LEAST_S and asked.bench != "all":
        raise Refused(f"--seconds is at least {mouth.LEAST_S} here: a shorter piece of the voice says nothing")
    return mouth.Options(asked.audio, asked.models, asked.rounds or 3, max(round(wanted), mouth.LEAST_S))


def fanout_options(asked: argparse.Namespace) -> fanout.Options:
    """Raises Refused where options do not go together."""
    if asked.browser and not asked.loss:
        raise Refused("--browser goes with --loss")
    given = {"rounds": asked.rounds, "seconds": asked.seconds, "listeners": asked.listeners}
    return fanout.Options(
        names=[SERVERS[each] for each in asked.servers or ("hushcast", "classic", "janus")],
        variant=asked.variant,
        classic_most=asked.classic_most,
        audio=asked.audio,
        models=asked.models,
        **{key: value for key, value in given.items() if value is not None},
    )


async def _fanout(asked: argparse.Namespace) -> Report:
    options = fanout_options(asked)
    if options.variant == "auto":
        options.audio, options.models = places.sound(asked.audio), places.weights(asked.models)
    return fanout_report.report(await fanout.measure(options), options)


async def _behind_loss(asked: argparse.Namespace) -> Report:
    options = fanout_options(asked)
    options.listeners = asked.listeners or [4]
    options.names = [SERVERS[each] for each in asked.servers or ("hushcast", "red", "janus")]
    if options.variant != "original":
        raise Refused("--loss is measured with the original voice: what comes out denoised cannot be told apart")
    if not asked.browser:
        return await lossy_fanout.report(options, asked.loss)
    options.audio, options.models = places.sound(asked.audio), places.weights(asked.models)
    options.seconds = asked.seconds or 300.0
    return await browser_loss.report(options, asked.loss)


if __name__ == "__main__":
    sys.exit(main())
