-- Moods by month, streaks, what goes with moods, and where to find help.

create table mood_ids (  -- an id is one mood for good, also when the mood has been deleted or has gone out of retention
    id         uuid primary key,
    user_id    uuid not null,
    felt_at    timestamptz not null,  -- with user_id and id, where the mood stands
    deleted_at timestamptz
);

create table moods (  -- written by workers in masses: no foreign keys; who is deleted gets no new ones
    user_id     uuid not null,
    felt_at     timestamptz not null,
    id          uuid not null,
    mood        text not null,
    valence     real not null check (valence between -1 and 1),
    arousal     real not null check (arousal between -1 and 1),
    intensity   real check (intensity between 0 and 1),
    note        bytea,            -- an envelope of storage/encryption.py for (moods, note, id)
    tags        text[] not null default '{}',
    factors     text,             -- a JSON object: numbers and booleans by name
    visibility  text not null check (visibility in ('private', 'friends', 'public')),
    timezone    text not null,
    local_date  date not null,    -- frozen: the date in `timezone` at `felt_at`
    in_streak   boolean not null, -- does it count for `local_date`?
    received_at timestamptz not null,
    edited_at   timestamptz,
    primary key (user_id, felt_at, id)
) partition by range (felt_at);
create index moods_shared on moods (user_id, felt_at, id) where visibility <> 'private';  -- others pass over the rest

create table streaks (  -- one row per user; dates are bits from `first_day` on, the lowest bit of a byte first
    user_id     uuid primary key,
    timezone    text not null,         -- of the entry felt last: whose midnight counts
    felt_at     timestamptz not null,  -- when that was
    first_day   date not null,
    logged      bytea not null default '',
    frozen      bytea not null default '',  -- for a freeze that was spent
    free        bytea not null default '',  -- frozen for nothing: a flight east, an outage
    repaired    bytea not null default '',
    repaired_on date,                  -- when somebody repaired a date the last time
    told        smallint[] not null default '{}',  -- milestones, each once ever
    current     integer not null,      -- as of `reckoned_for`
    longest     integer not null,
    freezes     integer not null,
    reckoned_for date not null,
    due_at      timestamptz not null,  -- when the night has to look at it again
    updated_at  timestamptz not null
);
create index streaks_due on streaks (due_at);

create table outages (  -- declared by operators: their dates are frozen for all, for nothing
    id      bigint generated always as identity primary key,
    first_day date not null,
    last_day  date not null check (last_day >= first_day),
    reason  text,
    at      timestamptz not null default now()
);

create table mood_patterns (  -- what goes with the moods of a user, worked out anew each night and on demand
    user_id     uuid primary key,
    found       text not null,  -- JSON, as protocol/rest_moods.py has it
    computed_at timestamptz not null
);

create table care_prompts (  -- when somebody was last shown where to find help
    user_id uuid primary key,
    at      timestamptz not null
);
