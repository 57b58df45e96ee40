"""Which scenarios there are: one for each file of loadtest/scenarios/."""

from importlib import import_module
from pkgutil import iter_modules

from loadtest import scenarios
from loadtest.scenario import Scenario


def scenario_names() -> list[str]:
    """All of them, in the order of the alphabet."""
    return sorted(module.name for module in iter_modules(scenarios.__path__))


def find_scenario(name: str) -> type[Scenario]:
    """The one `Scenario` of its file. Raises: RuntimeError if the file has none, or several."""
    module = import_module(f"loadtest.scenarios.{name}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Scenario) and value.__module__ == module.__name__
    ]
    if len(found) != 1 or found[0].name != name:
        raise RuntimeError(f"{module.__file__} should have one Scenario with the name {name!r}")
    return found[0]
