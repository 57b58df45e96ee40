-- Accounts, the friends graph, hugs and the inbox.
-- Every table of the hot way carries the user it belongs to (architecture: growing past one machine).

create table meta (
    only_row boolean primary key default true check (only_row),
    epoch    uuid not null default gen_random_uuid()  -- the incarnation of this database; raised by a restore
);
insert into meta default values;

create table users (
    id           uuid primary key,
    username     text check (username = lower(username) and length(username) between 3 and 32),
    is_anonymous boolean not null default false,
    roles        text[] not null default '{user}',
    created_at   timestamptz not null,
    deleted_at   timestamptz,
    check (is_anonymous or username is not null)
);
create unique index users_username on users (username text_pattern_ops);

create table profiles (
    user_id      uuid primary key references users on delete cascade,
    display_name text not null check (length(display_name) between 1 and 64)
);
create index profiles_search on profiles (lower(display_name) text_pattern_ops);

create table credentials (
    user_id       uuid primary key references users on delete cascade,
    email         text not null unique check (email = lower(email) and length(email) <= 254),
    password_hash text not null,
    changed_at    timestamptz not null
);

create table token_families (  -- one log-in on one device
    id         uuid primary key,  -- the `sid` of access tokens
    user_id    uuid not null references users on delete cascade,
    created_at timestamptz not null,
    revoked_at timestamptz
);
create index token_families_user on token_families (user_id);

create table refresh_tokens (
    token_hash  bytea primary key check (length(token_hash) = 32),  -- SHA-256
    family_id   uuid not null references token_families on delete cascade,
    created_at  timestamptz not null,
    expires_at  timestamptz not null,
    rotated_at  timestamptz
);
create index refresh_tokens_family on refresh_tokens (family_id);
create index refresh_tokens_expiry on refresh_tokens (expires_at);

create table privacy (  -- a missing row means the defaults of domain/privacy.py
    user_id          uuid primary key references users on delete cascade,
    who_may_hug      text not null check (who_may_hug in ('everyone', 'friends', 'nobody')),
    who_sees_online  text not null check (who_sees_online in ('everyone', 'friends', 'nobody')),
    who_finds        text not null check (who_finds in ('everyone', 'friends', 'nobody')),
    who_befriends    text not null check (who_befriends in ('everyone', 'friends', 'nobody'))
);

create table friendships (  -- one row a pair
    low_id       uuid not null references users on delete cascade,
    high_id      uuid not null references users on delete cascade,
    state        text not null check (state in ('requested', 'accepted')),
    requested_by uuid not null,
    changed_at   timestamptz not null,
    primary key (low_id, high_id),
    check (low_id < high_id),
    check (requested_by in (low_id, high_id))
);
create index friendships_high on friendships (high_id);

create table friend_request_counts (  -- how many friend requests somebody has made since when
    user_id uuid primary key references users on delete cascade,
    since   timestamptz not null,
    made    integer not null
);

create table blocks (
    user_id    uuid not null references users on delete cascade,
    blocked_id uuid not null references users on delete cascade,
    created_at timestamptz not null,
    primary key (user_id, blocked_id),
    check (user_id <> blocked_id)
);
create index blocks_blocked on blocks (blocked_id);

create table hugs (
    id           uuid primary key,
    sender_id    uuid not null,
    recipient_id uuid not null,
    seq          bigint not null,  -- of hug.received in the recipient's inbox
    kind         text not null,
    message      text,
    style        text,  -- JSON, for the app alone
    at           timestamptz not null,
    delivered_at timestamptz,
    seen_at      timestamptz
) with (fillfactor = 85);  -- receipts update in place
create unique index hugs_received on hugs (recipient_id, seq);
create index hugs_sent on hugs (sender_id, id);

create table inbox_heads (
    user_id   uuid primary key references users on delete cascade,
    seq       bigint not null default 0 check (seq >= 0),
    acked_seq bigint not null default 0 check (acked_seq between 0 and seq)
) with (fillfactor = 70);  -- the hottest rows of all: updated in place

create table inbox (
    user_id uuid not null,
    seq     bigint not null,
    kind    text not null,
    body    bytea not null,  -- the event as JSON, without its seq
    at      timestamptz not null
) partition by range (at);  -- weekly, made ahead by storage/partitions.py, dropped after 30 days

create table dead_jobs (  -- jobs given up: kept for a person to look at, and to enqueue again
    id          bigint primary key generated always as identity,
    queue       text not null,
    job_id      text not null,
    function    text,  -- unknown if the payload cannot be read
    enqueued_at timestamptz,
    tries       integer not null,
    reason      text not null,
    payload     bytea,  -- as it was in the queue; null if it had expired there
    failed_at   timestamptz not null default now(),
    unique nulls not distinct (queue, job_id, enqueued_at)
);
create index dead_jobs_failed on dead_jobs (failed_at);
