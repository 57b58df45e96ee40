"""Everything that the server sends, as one type, which codecs decode and documents list."""

from protocol.events import (
    AccountNotice,
    Bye,
    CaughtUp,
    Error,
    FriendAccepted,
    FriendEnded,
    FriendRequested,
    HugDelivered,
    HugFelt,
    HugMutual,
    HugPreparing,
    HugReceived,
    HugSeen,
    HugSent,
    HugUndone,
    MoodDeleted,
    MoodRejected,
    MoodSaved,
    MoodShared,
    Notification,
    NotificationUnread,
    Ok,
    Presence,
    RequestAnswered,
    RequestExpired,
    RequestReceived,
    SessionExpiring,
    StreakMilestone,
    StreakUpdated,
    Welcome,
)
from protocol.group_events import (
    GroupCancelled,
    GroupCompleted,
    GroupInvited,
    GroupJoined,
    GroupLeft,
    GroupPulse,
    GroupStarted,
)

DurableEvent = (
    HugReceived
    | HugUndone
    | HugFelt
    | HugMutual
    | RequestReceived
    | RequestAnswered
    | RequestExpired
    | GroupInvited
    | GroupStarted
    | GroupCompleted
    | GroupCancelled
    | FriendRequested
    | FriendAccepted
    | FriendEnded
    | StreakMilestone
    | Notification
    | AccountNotice
)
EphemeralEvent = (
    HugSent
    | HugDelivered
    | HugSeen
    | HugPreparing
    | GroupJoined
    | GroupLeft
    | GroupPulse
    | MoodSaved
    | MoodRejected
    | MoodDeleted
    | MoodShared
    | StreakUpdated
    | NotificationUnread
    | Presence
    | SessionExpiring
    | Bye
)
ServerMessage = Ok | Error | Welcome | CaughtUp | DurableEvent | EphemeralEvent
