-- Devices, what their owners want to be told, notifications and their deliveries, reminders, app owners' keys, tracing.

alter table inbox_heads add column notified_seq bigint not null default 0;  -- up to here events have become notifications
update inbox_heads set notified_seq = seq where seq > 0;  -- nobody is pushed what is old
alter table hugs
    add column acked_at timestamptz,  -- when the first device of the recipient had it; for the recipient's eyes
    add column acked_by text;         -- which one, by the name in its `hello`

create table own_keys (  -- made at first use by whichever process needs them: vapid, token_hash
    name    text primary key,
    secret  bytea not null,  -- an envelope of storage/encryption.py for (own_keys, secret, name)
    made_at timestamptz not null
);

create table devices (
    id            uuid primary key,
    user_id       uuid not null references users on delete cascade,
    provider      text not null check (provider in ('fcm', 'apns', 'webpush')),
    token         bytea not null,  -- an envelope for (devices, token, id): a token, or a Web Push subscription as JSON
    token_hash    bytea not null unique check (length(token_hash) = 32),  -- HMAC-SHA-256 with own_keys.token_hash
    name          text not null check (length(name) between 1 and 256),
    language      text not null default 'en',
    registered_at timestamptz not null,  -- of this token with this user: a verdict from before it is void
    used_at       timestamptz not null,  -- registered again, or a push was accepted: after 270 days without, it expires
    family_id     uuid references token_families on delete set null,  -- the log-in it came by: both end together; null: expired
    unique (user_id, id)
);
create index devices_user on devices (user_id);
create index devices_family on devices (family_id);
create index devices_used on devices (used_at);

create table removed_tokens (  -- how many a provider has declared dead, and when: more than 5 % in 5 min is an alarm
    provider text not null,
    at       timestamptz not null
);
create index removed_tokens_at on removed_tokens (at);

create table push_preferences (  -- a missing row means the defaults of domain/preferences.py
    user_id     uuid primary key references users on delete cascade,
    switches    text not null default '{}',  -- JSON, what differs from the defaults: {"push": true, "hugs.email": true}
    quiet_start time,
    quiet_end   time,
    timezone    text,  -- IANA; of the quiet hours
    preview     text not null default 'generic' check (preview in ('generic', 'name')),
    language    text not null default 'en',  -- of e-mail; a device has its own
    streak_reminders boolean not null default false,
    changed_at  timestamptz not null,
    check ((quiet_start is null) = (quiet_end is null)),
    check (quiet_start is null or timezone is not null)
);
create index push_preferences_reminders on push_preferences (user_id) where streak_reminders;

create table notification_reads (  -- of the centre, which shows what stands in the inbox
    user_id     uuid primary key references users on delete cascade,
    through_seq bigint not null,  -- everything up to here was read at once
    read_at     timestamptz not null  -- the last time that was done
);
create table notification_marks (  -- single ones that were read or deleted
    user_id    uuid not null references users on delete cascade,
    seq        bigint not null,
    read_at    timestamptz,
    deleted_at timestamptz,
    primary key (user_id, seq)
);

create table notices (  -- a `notification` event is made once for each cause, whoever tries how often
    user_id uuid not null references users on delete cascade,
    cause   text not null check (length(cause) between 1 and 200),
    id      uuid not null,
    body_hash bytea,  -- SHA-256 of what an app's server has sent: the same cause with something else is a conflict
    at      timestamptz not null,
    primary key (user_id, cause)
);
create index notices_at on notices (at);

create table notifications (  -- what the pipeline makes of an event in the inbox, for one channel
    user_id    uuid not null,
    seq        bigint not null,
    channel    text not null check (channel in ('push', 'email')),
    kind       text not null,
    actor_id   uuid,                  -- whose doing the event is: they may be muted or blocked meanwhile
    at         timestamptz not null,  -- of the event
    expires_at timestamptz not null,
    state      text not null check (state in ('waiting', 'sent', 'suppressed', 'expired')),
    reason     text,                  -- why it waits, or why it is not sent
    push_id    uuid,                  -- the last push that carried it
    decided_at timestamptz not null,
    primary key (user_id, seq, channel)
) with (fillfactor = 80);
create index notifications_pending on notifications (user_id, kind, channel, seq) where state in ('waiting', 'sent');
create index notifications_at on notifications using brin (at);

create table bursts (  -- what is merged: notifications of one kind to one user; one row, taken by one worker at a time
    user_id uuid not null,
    kind    text not null,
    channel text not null,
    due_at  timestamptz,  -- when to look at what waits; null: nothing does
    sent_at timestamptz,  -- of the last push: what follows within 5 min is merged
    claim   uuid,         -- of the look that is under way
    primary key (user_id, kind, channel)
) with (fillfactor = 70);
create index bursts_due on bursts (due_at) where due_at is not null;

create table deliveries (  -- one push to one device, or one mail; what is sent, each time it is tried
    id           uuid primary key,
    push_id      uuid not null,
    user_id      uuid not null,
    device_id    uuid,  -- null: a channel that knows no devices
    provider     text not null check (provider in ('fcm', 'apns', 'webpush', 'webhook', 'email', 'log')),
    kind         text not null,
    first_seq    bigint not null,  -- of the events it speaks of
    last_seq     bigint not null,
    content      text not null,    -- JSON of workers/push/outgoing.py, without the token
    state        text not null check (state in ('queued', 'sent', 'accepted', 'opened', 'suppressed', 'expired', 'dead', 'failed')),
    reason       text,
    attempts     smallint not null default 0,
    due_at       timestamptz,      -- the next try; while one is under way, when it counts as lost
    expires_at   timestamptz not null,
    created_at   timestamptz not null,
    sent_at      timestamptz,      -- the last try
    accepted_at  timestamptz,
    opened_at    timestamptz,
    answer       text,             -- the provider's last one
    provider_ref text              -- the provider's own id of it
) with (fillfactor = 60);
create index deliveries_due on deliveries (provider, due_at) where due_at is not null;
create index deliveries_push on deliveries (push_id);
create index deliveries_user on deliveries (user_id, last_seq);
create index deliveries_created on deliveries using brin (created_at);

create table api_keys (  -- of app owners' servers
    id         uuid primary key,
    name       text not null check (length(name) between 1 and 64),
    key_hash   bytea not null unique check (length(key_hash) = 32),  -- SHA-256 of 256 random bits
    scopes     text[] not null,
    created_at timestamptz not null,
    used_at    timestamptz,
    revoked_at timestamptz
);

create table routes (  -- to which nodes a hub has rung what, for `hugmood trace`: one row per hub and second
    node  text not null,
    since timestamptz not null,
    until timestamptz not null,
    rung  bytea not null  -- MessagePack of storage/routes.py
);
create index routes_until on routes using brin (until);
