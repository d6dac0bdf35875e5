"""What the tests of storages ask of Optuna: COMMAND STORAGE... , answers as JSON on standard output.

Real numbers are given by their bits, since they are compared to the bit.
"""

import json
import struct
import sys
import threading
import urllib.request
import warnings

import optuna

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
STUDY = "a study"


def storage_of(name):
    if "://" in name:
        return optuna.storages.RDBStorage(name)
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(name))


def bits(number):
    return "nan" if number != number else struct.pack(">d", number).hex()


def dump(storage):
    study = optuna.load_study(study_name=STUDY, storage=storage)

    def told(trial):
        return {
            "number": trial.number,
            "state": trial.state.name,
            "values": trial.values and [bits(value) for value in trial.values],
            "started": trial.datetime_start is not None,
            "completed": trial.datetime_complete is not None,
            "distributions": {
                name: optuna.distributions.distribution_to_json(distribution)
                for name, distribution in trial.distributions.items()
            },
            "params": {
                name: bits(trial.distributions[name].to_internal_repr(value))
                for name, value in trial.params.items()
            },
            "intermediate": {str(step): bits(value) for step, value in trial.intermediate_values.items()},
            "user_attrs": trial.user_attrs,
            "system_attrs": {
                name: value for name, value in trial.system_attrs.items() if not name.startswith("tpe:")
            },
        }

    return {
        "direction": study.direction.name,
        "user_attrs": study.user_attrs,
        "best": study.best_trial.number,
        "trials": [told(trial) for trial in study.trials],
    }


def objective(trial):
    """Every outcome and every kind of parameter, some of which depend on others."""
    trial.set_user_attr("note", {"text": "naïve ☕", "list": [1, None, True]})
    x = trial.suggest_float("x", 1e-5, 1e-1, log=True)
    kind = trial.suggest_categorical("kind", ["a", None, 3, 0.5, False])
    if kind == "a":
        trial.suggest_int("only a", 2, 10, step=2)
    for step in range(3):
        trial.report([x / 3, float("nan"), float("inf")][step], step)
    match trial.number % 5:
        case 1:
            raise optuna.TrialPruned()
        case 2:
            raise ValueError("a crash")
        case 3:
            return float("nan")
    return x


def begin(storage):
    study = optuna.create_study(study_name=STUDY, storage=storage, direction="maximize")
    study.set_user_attr("who", "Optuna")
    study.enqueue_trial({"x": 0.05})
    study.optimize(objective, n_trials=8, catch=ValueError)
    study.enqueue_trial({"x": 0.01, "kind": None})
    return dump(storage)


def proceed(storage):
    study = optuna.load_study(
        study_name=STUDY, storage=storage, sampler=optuna.samplers.TPESampler(multivariate=True, n_startup_trials=3)
    )
    study.optimize(objective, n_trials=5, catch=ValueError)
    return dump(storage)


def work(storage):
    """Twelve quick trials, beside other workers."""

    def quick(trial):
        x = trial.suggest_float("x", 0, 1)
        trial.report(x, 0)
        trial.report(x / 2, 1)
        return x

    optuna.load_study(study_name=STUDY, storage=storage).optimize(quick, n_trials=12)


def enqueue(storage):
    optuna.create_study(study_name=STUDY, storage=storage).enqueue_trial({"x": 0.5})


def claim_late(storage):
    """Claims the first trial; between its look at the trial and its claim, it waits for a line."""
    study = optuna.load_study(study_name=STUDY, storage=storage)
    trial = study.trials[0]
    checked = storage.check_trial_is_updatable

    def check(*arguments):
        checked(*arguments)
        print("looked", file=sys.stderr, flush=True)
        sys.stdin.readline()

    storage.check_trial_is_updatable = check
    return storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.RUNNING)


def dashboard(storage):
    """What its API says about all studies and about this one."""
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    import optuna_dashboard

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_):
            pass

    server = make_server("127.0.0.1", 0, optuna_dashboard.wsgi(storage), handler_class=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def get(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/api/{path}") as answer:
            return json.load(answer)

    summaries = get("studies")["study_summaries"]
    return get(f"studies/{summaries[0]['study_id']}")


command, *names = sys.argv[1:]
print(json.dumps([globals()[command](storage_of(name)) for name in names]))
