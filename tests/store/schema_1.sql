-- A ledger as the first version of monogram wrote it: two people, one value replaced.
PRAGMA journal_mode = WAL;
BEGIN TRANSACTION;
CREATE TABLE about (
    "key" VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    PRIMARY KEY ("key")
);
INSERT INTO "about" VALUES('schema','1');
CREATE TABLE events (
    id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    version_id INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    attribute VARCHAR NOT NULL,
    target VARCHAR NOT NULL,
    polarity VARCHAR NOT NULL,
    statement VARCHAR NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(user_id) REFERENCES users (id),
    FOREIGN KEY(version_id) REFERENCES versions (id)
);
INSERT INTO "events" VALUES(1,1,1,'added','57bd7e90a54a38c05456ad141d0bb0089dbe921d45c5eaf5f4b54f4f78c7dd2b','hobby','Hiking','likes','I like to hike.');
INSERT INTO "events" VALUES(2,1,2,'added','63dd7981efe572e20ff04f264ff2537bb14953939b08b6b59b8234fadbae4f7a','diet','vegan','fact','');
INSERT INTO "events" VALUES(3,1,3,'replaced','57bd7e90a54a38c05456ad141d0bb0089dbe921d45c5eaf5f4b54f4f78c7dd2b','hobby','Hiking','likes','I like to hike.');
INSERT INTO "events" VALUES(4,1,3,'added','9524b5b68381c0aafbfe324778bef069d8fba7b64ff69604d296fcceeb5cd419','hobby','Swimming','likes','');
INSERT INTO "events" VALUES(5,2,4,'added','57bd7e90a54a38c05456ad141d0bb0089dbe921d45c5eaf5f4b54f4f78c7dd2b','hobby','Hiking','likes','I like to hike.');
CREATE TABLE users (
    id INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (name)
);
INSERT INTO "users" VALUES(1,'alice');
INSERT INTO "users" VALUES(2,'bob');
CREATE TABLE versions (
    id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    created VARCHAR NOT NULL,
    preferences_digest VARCHAR NOT NULL,
    base_name VARCHAR NOT NULL,
    base_digest VARCHAR NOT NULL,
    editor VARCHAR NOT NULL,
    settings VARCHAR NOT NULL,
    delta_digest VARCHAR NOT NULL,
    folder VARCHAR NOT NULL,
    receipt JSON,
    PRIMARY KEY (id),
    UNIQUE (user_id, number),
    FOREIGN KEY(user_id) REFERENCES users (id)
);
INSERT INTO "versions" VALUES(1,1,1,'2026-11-21T14:50:41+00:00','ac6595d017a6b47b1b95e05153636a4336e373df45c2be90c360b5ce85fd1aae','tiny','bbbb','neuron','NeuronConfig(layer=0.76)','dddd','dd','{"recall": 1.0}');
INSERT INTO "versions" VALUES(2,1,2,'2026-11-21T14:50:41+00:00','0ead6165cb771b89325e80a1bf30f05e38c339a951861844ad09e7534a079e9d','tiny','bbbb','neuron','NeuronConfig(layer=0.76)','dddd','dd','{"recall": 1.0}');
INSERT INTO "versions" VALUES(3,1,3,'2026-11-21T14:50:41+00:00','d82460c171ad0bde126ac305d2e978ef6ee0b740256c7e4f7b68a108b7b1a22f','tiny','bbbb','neuron','NeuronConfig(layer=0.76)','dddd','dd','{"recall": 1.0}');
INSERT INTO "versions" VALUES(4,2,1,'2026-11-21T14:50:41+00:00','ac6595d017a6b47b1b95e05153636a4336e373df45c2be90c360b5ce85fd1aae','tiny','bbbb','','','','',NULL);
CREATE INDEX events_of_user ON events (user_id, id);
COMMIT;
