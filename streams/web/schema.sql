-- What the page knows. Everything here can be made again from the topics or the folder that it came from.

CREATE TABLE narratives (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    desk TEXT NOT NULL,
    state TEXT NOT NULL,
    kind TEXT NOT NULL,
    mentions INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    emerged_ms INTEGER NOT NULL,
    view TEXT NOT NULL  -- the record, as JSON
);
CREATE INDEX narratives_last ON narratives (last_ms);

-- Ids of narratives that merged, each with the one that lives on.
CREATE TABLE aliases (id TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX aliases_owner ON aliases (owner);

-- What a narrative can be found by: languages, sources, key words.
CREATE TABLE facets (
    n INTEGER NOT NULL REFERENCES narratives (n) ON DELETE CASCADE,
    facet TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (n, facet, value)
) WITHOUT ROWID;
CREATE INDEX facets_value ON facets (facet, value);

CREATE VIRTUAL TABLE narrative_words USING fts5 (words, tokenize = "unicode61 remove_diacritics 2");

-- place: the offset of the record. A row that is withdrawn stays: its narrative may turn out to be one with
-- another, where the same comment stands, and then the later word counts.
CREATE TABLE mentions (
    m INTEGER PRIMARY KEY,
    narrative_id TEXT NOT NULL,
    source TEXT NOT NULL,
    comment_id TEXT NOT NULL,
    place INTEGER NOT NULL,
    desk TEXT NOT NULL,
    text TEXT NOT NULL,
    author TEXT NOT NULL,
    thread TEXT NOT NULL,
    language TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    similarity REAL NOT NULL,
    retroactive INTEGER NOT NULL,
    stance TEXT NOT NULL,
    permalink TEXT NOT NULL,
    withdrawn INTEGER NOT NULL,
    UNIQUE (narrative_id, source, comment_id)
);
CREATE INDEX mentions_time ON mentions (at_ms);
CREATE INDEX mentions_of ON mentions (narrative_id, at_ms);
CREATE INDEX mentions_thread ON mentions (source, thread, narrative_id);
CREATE INDEX mentions_author ON mentions (author, narrative_id);

CREATE VIRTUAL TABLE mention_words USING fts5 (
    text, content = 'mentions', content_rowid = 'm', tokenize = "unicode61 remove_diacritics 2"
);
CREATE TRIGGER mentions_added AFTER INSERT ON mentions BEGIN
    INSERT INTO mention_words (rowid, text) VALUES (new.m, new.text);
END;
CREATE TRIGGER mentions_gone AFTER DELETE ON mentions BEGIN
    INSERT INTO mention_words (mention_words, rowid, text) VALUES ('delete', old.m, old.text);
END;
CREATE TRIGGER mentions_changed AFTER UPDATE OF text ON mentions BEGIN
    INSERT INTO mention_words (mention_words, rowid, text) VALUES ('delete', old.m, old.text);
    INSERT INTO mention_words (rowid, text) VALUES (new.m, new.text);
END;

-- owner: the narrative that lives on; it is narrative_id until that one merges.
CREATE TABLE events (
    e INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    narrative_id TEXT NOT NULL,
    desk TEXT NOT NULL,
    type TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    event TEXT NOT NULL  -- the record, as JSON
);
CREATE INDEX events_owner ON events (owner, type, at_ms);
CREATE INDEX events_time ON events (at_ms);

CREATE TABLE matches (
    w INTEGER PRIMARY KEY,
    watch TEXT NOT NULL,
    desk TEXT NOT NULL,
    source TEXT NOT NULL,
    comment_id TEXT NOT NULL,
    claim INTEGER NOT NULL,
    text TEXT NOT NULL,
    similarity REAL NOT NULL,
    narrative_id TEXT,
    at_ms INTEGER NOT NULL,
    UNIQUE (watch, desk, source, comment_id, claim)
);
CREATE INDEX matches_time ON matches (watch, at_ms);

-- How far each partition was read, in the transaction of what was read.
CREATE TABLE places (topic TEXT, partition INTEGER, next_offset INTEGER NOT NULL, PRIMARY KEY (topic, partition));

-- Single values: what the file was made from.
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
