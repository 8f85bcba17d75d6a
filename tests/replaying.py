"""Programs some of whose records were refused, and `telesink replay` on what they have set aside."""

from command_line import telesink
from refusing import execute, make_file, write


def refusing_database(folder):
    """A database that refuses records of one logger."""
    path = folder / "app.db"
    make_file(path)
    return path


def dead_letters(path):
    """The dead-letter file of a program three of whose ten records were refused."""
    dead = path.with_name("dead.ndjson")
    bodies = [str(number) for number in range(10)]
    resource = {"service.name": "shop", "cloud.region": "eu"}
    write(f"sqlite:///{path}", bodies, refused=("2", "5", "9"), dead_letter=dead, resource=resource)
    return dead


def mend(path):
    execute(path, "DROP TRIGGER planted")


def replay(dead, target, *arguments, **options):
    return telesink("replay", dead, "--to", target, *arguments, **options)


def bodies(path):
    return sorted(body for (body,) in execute(path, "SELECT body FROM telesink_logs"))
