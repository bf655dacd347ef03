"""From one schema of the ledger to the next, in plain SQL that never changes again."""

from sqlalchemy import Connection, text

STEPS: dict[int, tuple[str, ...]] = {
    1: (
        """
        CREATE TABLE events_2 (
            id INTEGER NOT NULL, user_id INTEGER NOT NULL, number INTEGER NOT NULL, time VARCHAR NOT NULL,
            kind VARCHAR NOT NULL, digest VARCHAR, attribute VARCHAR, target VARCHAR, polarity VARCHAR,
            statement VARCHAR, restored INTEGER, PRIMARY KEY (id), FOREIGN KEY(user_id) REFERENCES users (id)
        )
        """,
        """
        INSERT INTO events_2
        SELECT e.id, e.user_id, v.number, v.created, e.kind, e.digest, e.attribute, e.target, e.polarity,
               e.statement, NULL
        FROM events AS e JOIN versions AS v ON v.id = e.version_id
        """,
        "DROP TABLE events",
        "ALTER TABLE events_2 RENAME TO events",
        "CREATE INDEX events_of_user ON events (user_id, id)",
        """
        CREATE TABLE erasures (
            id INTEGER NOT NULL, user_id INTEGER, PRIMARY KEY (id), FOREIGN KEY(user_id) REFERENCES users (id)
        )
        """,
        "INSERT INTO erasures (user_id) VALUES (NULL)",  # the old table's pages are to be cleared
    ),
}
"""Schema -> what makes the next one of it."""


def migrate(connection: Connection, found: int, wanted: int) -> None:
    """Bring a ledger from schema `found` to `wanted`, within the transaction that is under way."""
    for schema in range(found, wanted):
        for statement in STEPS[schema]:
            connection.exec_driver_sql(statement)
    connection.execute(text("UPDATE about SET value = :wanted WHERE key = 'schema'"), {"wanted": str(wanted)})
