-- Texts are compared as bytes: a locale of the database would be slower, and its changes would spoil the indexes.
CREATE TABLE coatroom_records (
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    owner text COLLATE "C",
    version bigint NOT NULL,
    expires_at bigint,
    body text NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE INDEX coatroom_records_by_owner ON coatroom_records (kind, owner) WHERE owner IS NOT NULL;
CREATE INDEX coatroom_records_by_expiry ON coatroom_records (expires_at) WHERE expires_at IS NOT NULL;
