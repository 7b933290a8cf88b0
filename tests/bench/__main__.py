"""`python3 run.py bench workers|fanout|presence|ear|page|nodes|all`: measure. Speed lives here, as ratios in one run, never in a test."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

from sfu.config.errors import ConfigError
from tests.bench import (
    browser_loss,
    fanout,
    fanout_report,
    lossy_fanout,
    mouth,
    network,
    nodes,
    page_speed,
    places,
    presence,
    small,
    starting,
    workers,
)
from tests.bench.arguments import BENCHES, EAR_LEAST_S, SERVERS, check
from tests.bench.asked import Refused, without_config
from tests.bench.contenders import Options as WorkersOptions
from tests.bench.plots import page
from tests.bench.report import Report
from workers import registry


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        arguments = without_config(sys.argv[1:] if arguments is None else arguments)
    except ConfigError as error:
        print(f"hushcast: {error}", file=sys.stderr)
        return 2
    asked = check(arguments)
    if "workers" in arguments[:1]:  # it has options of its own
        return workers.main(asked)
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
        case "nodes":
            return asyncio.run(nodes.report(nodes_options(asked)))
        case "page":
            return asyncio.run(page_speed.report(page_speed.Options(asked.against, asked.rounds or 7)))
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
    return presence.Options(asked.rounds or 7, listeners, asked.friends, asked.seconds or 20.0, models=asked.models)


def nodes_options(asked: argparse.Namespace) -> nodes.Options:
    listeners = max(asked.listeners) if asked.listeners and asked.bench != "all" else 200
    return nodes.Options(asked.rounds or 10, listeners, asked.seconds or 10.0)


def mouth_options(asked: argparse.Namespace) -> mouth.Options:
    """As a part of `all` its windows are as long as a voice needs."""
    wanted = asked.seconds or 14
    return mouth.Options(asked.audio, asked.models, asked.rounds or 3, max(round(wanted), EAR_LEAST_S))


def fanout_options(asked: argparse.Namespace) -> fanout.Options:
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
    if not asked.browser:
        return await lossy_fanout.report(options, asked.loss)
    options.audio, options.models = places.sound(asked.audio), places.weights(asked.models)
    options.seconds = asked.seconds or 300.0
    return await browser_loss.report(options, asked.loss)


if __name__ == "__main__":
    sys.exit(main())
