-- Undo, reactions and mutual hugs; requests; group hugs; the whole friends-and-privacy graph.

create extension if not exists pg_trgm;  -- search by similarity; comes with PostgreSQL's contrib modules

alter table hugs
    add column request_id uuid,          -- the hug request that this hug fulfils
    add column undone_at  timestamptz,
    add column mutual_at  timestamptz,   -- the shared start time; set on both hugs of the two, or on neither
    add column told_seen_at timestamptz, -- what the sender may know: seen_at, where both share receipts
    add column felt_at    timestamptz;   -- the first reaction
-- `delivered_at` and `told_seen_at` are for the sender's eyes, `seen_at` for the recipient's.
update hugs set told_seen_at = seen_at where seen_at is not null;
create index hugs_between on hugs (sender_id, recipient_id, at);

create table hug_reactions (  -- one per hug, replaceable
    hug_id  uuid primary key,
    user_id uuid not null,  -- the recipient of the hug
    emoji   text not null check (length(emoji) between 1 and 32),
    message text check (length(message) between 1 and 4096),  -- 140 characters as people count them
    at      timestamptz not null
);

create table hug_requests (
    id           uuid primary key,
    asker_id     uuid not null references users on delete cascade,
    recipient_id uuid references users on delete cascade,  -- null: asked of the community
    message      text,
    state        text not null check (state in ('open', 'fulfilled', 'declined', 'expired', 'cancelled')),
    hugs         integer not null default 0 check (hugs >= 0),
    created_at   timestamptz not null,
    expires_at   timestamptz not null,
    settled_at   timestamptz,
    check (recipient_id <> asker_id),
    check ((state = 'open') = (settled_at is null))
);
create index hug_requests_asker on hug_requests (asker_id, id);
create index hug_requests_recipient on hug_requests (recipient_id, id) where recipient_id is not null;
create index hug_requests_made on hug_requests (asker_id, created_at);
create index hug_requests_due on hug_requests (expires_at) where state in ('open', 'declined');  -- to the asker, both end then

create table hug_request_receivers (  -- who was told of a request, and what they did; never shown to the asker
    request_id  uuid not null references hug_requests on delete cascade,
    user_id     uuid not null references users on delete cascade,
    hug_id      uuid,  -- their hug in answer
    declined_at timestamptz,
    primary key (request_id, user_id)
);
create index hug_request_receivers_user on hug_request_receivers (user_id, request_id);

create table groups (
    id          uuid primary key,
    creator_id  uuid not null references users,  -- whose id this is: the host may change
    host_id     uuid not null references users,
    name        text not null check (length(name) between 1 and 256),
    description text,
    message     text,
    state       text not null check (state in ('scheduled', 'gathering', 'active', 'completed', 'expired', 'cancelled')),
    version     bigint not null check (version >= 1),  -- one more with each change: every change is a compare-and-set
    capacity    integer not null check (capacity between 2 and 10000),
    joined      integer not null check (joined between 0 and capacity),
    created_at  timestamptz not null,
    starts_at   timestamptz,            -- planned
    expires_at  timestamptz not null,
    began_at    timestamptz,            -- active for the first time
    ended_at    timestamptz,
    how         text check (how in ('host', 'squeeze')),
    check ((state in ('completed', 'expired', 'cancelled')) = (ended_at is not null)),
    check ((state = 'completed') = (how is not null)),
    check (state <> 'scheduled' or starts_at is not null)
);
create index groups_to_start on groups (starts_at) where state = 'scheduled';
create index groups_to_expire on groups (expires_at) where ended_at is null;
create index groups_host on groups (host_id);

create table group_members (
    group_id   uuid not null references groups on delete cascade,
    user_id    uuid not null references users on delete cascade,
    state      text not null check (state in ('invited', 'joined', 'left')),
    invited_by uuid,
    joined_at  timestamptz,             -- of the present stay: the earliest joiner is the next host
    took_part  boolean not null default false,
    away_at    timestamptz,             -- joined, but connected nowhere since then: the seat is kept for a while
    version    bigint not null,         -- of the group when this row last changed
    primary key (group_id, user_id),
    check (state <> 'joined' or (joined_at is not null and took_part))
);
create index group_members_user on group_members (user_id, group_id);
create index group_members_seats on group_members (user_id, joined_at) where state = 'joined';
create index group_members_changed on group_members (group_id, version);

alter table privacy
    add column who_may_ask       text not null default 'friends' check (who_may_ask in ('everyone', 'friends', 'nobody')),
    add column who_sees_moods    text not null default 'nobody' check (who_sees_moods in ('everyone', 'friends', 'nobody')),
    add column who_sees_activity text not null default 'friends' check (who_sees_activity in ('everyone', 'friends', 'nobody')),
    add column shares_receipts   boolean not null default true,
    add column takes_community_requests boolean not null default false;
create index privacy_community on privacy (user_id) where takes_community_requests;
create index privacy_silent on privacy (user_id) where not shares_receipts;

create table mutes (  -- one-sided, invisible to the muted: still delivered, never notified
    user_id    uuid not null references users on delete cascade,
    muted_id   uuid not null references users on delete cascade,
    until      timestamptz,  -- null: for good
    created_at timestamptz not null,
    primary key (user_id, muted_id),
    check (user_id <> muted_id)
);

create table follows (  -- one-sided, for public moods and the feed
    user_id     uuid not null references users on delete cascade,
    followed_id uuid not null references users on delete cascade,
    created_at  timestamptz not null,
    primary key (user_id, followed_id),
    check (user_id <> followed_id)
);
create index follows_followed on follows (followed_id);

create index mutes_until on mutes (until) where until is not null;

create table last_seen (  -- when somebody last went offline, as their friends were told
    user_id uuid primary key references users on delete cascade,
    at      timestamptz not null
) with (fillfactor = 70);  -- updated in place

alter table profiles add column about text check (length(about) <= 1120);
drop index profiles_search;
create index profiles_beginning on profiles (lower(display_name) collate "C", user_id);
create index profiles_similar on profiles using gin (lower(display_name) gin_trgm_ops);
create index users_similar on users using gin (username gin_trgm_ops);
