"""One database of a server, as tests use it."""


class Database:
    """A fresh database on a server, and what a test wants to know of it."""

    def __init__(self, server, name):
        self.server = server
        self.name = name

    @property
    def port(self):
        """Where clients connect."""
        return self.server.port

    def dsn(self, **options):
        """How telesink reaches it."""
        return self.server.dsn(self.name, **options)

    def sql(self, statement, *values):
        """All rows that a statement answers with."""
        return self.server.sql(statement, *values, database=self.name)

    def bodies(self):
        """The messages stored, in the order of `seq`; loss markers left out."""
        rows = self.sql("SELECT body FROM telesink_logs WHERE logger <> 'telesink' ORDER BY instance, seq")
        return [body for (body,) in rows]

    def count(self):
        """How many rows, and how many different ids."""
        return self.sql("SELECT count(*), count(DISTINCT id) FROM telesink_logs")[0]
