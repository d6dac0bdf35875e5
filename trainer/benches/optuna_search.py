"""Optuna's side of `search_quality`: asks for parameters, and is told values, over its standard input and output.

Every line of either direction is one JSON value. A request is {"search": space, "seed", "trials", "direction"}, answered
trial by trial with the parameters, each of which is answered with a value; or {"time": space, "trials"}, answered with the
seconds of each further draw after so many random trials.
"""

import json
import sys
import time

import optuna
from optuna.distributions import json_to_distribution
from optuna.samplers import RandomSampler, TPESampler

optuna.logging.set_verbosity(optuna.logging.ERROR)


def read():
    return json.loads(sys.stdin.readline())


def write(value):
    print(json.dumps(value), flush=True)


def space_of(request):
    return {name: json_to_distribution(text) for name, text in request.items()}


def search(request):
    space = space_of(request["search"])
    study = optuna.create_study(sampler=TPESampler(seed=request["seed"]))
    for _ in range(request["trials"]):
        trial = study.ask(space)
        write({name: it.to_internal_repr(trial.params[name]) for name, it in space.items()})
        study.tell(trial, read())


def timed(request):
    space = space_of(request["time"])
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    for number in range(request["trials"]):
        study.tell(study.ask(space), float(number * 7919 % 1000))
    study.sampler = TPESampler(seed=0)
    seconds = []
    for number in range(request["draws"]):
        begin = time.perf_counter()
        trial = study.ask(space)
        seconds.append(time.perf_counter() - begin)
        study.tell(trial, float(number))
    write(seconds)


while line := sys.stdin.readline():
    request = json.loads(line)
    search(request) if "search" in request else timed(request)
