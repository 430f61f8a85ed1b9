"""`python -m postroom`: the same as the command `postroom`. The supervisor starts its children this way."""

from postroom.cli.main import run

if __name__ == "__main__":
    run()
