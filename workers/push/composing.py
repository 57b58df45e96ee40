"""What a push says: the events it speaks of, in the words of a language."""

from collections.abc import Sequence

import msgspec

from domain.preferences import Preferences
from workers.push.asking import Asked
from workers.push.gist import Gist
from workers.push.outgoing import Content
from workers.push.texts import Templates

NAMES_MAX = 3  # the text names one; an app may show more

_encoder = msgspec.json.Encoder()


class Composer:
    """Words come from *templates*."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates

    def compose(
        self, delivery: str, covered: Sequence[Asked], preferences: Preferences, language: str, badge: int
    ) -> bytes:
        """The `Content` of *delivery* as JSON: of all the events in *covered*, of which there is at least one."""
        events = sorted(((each.pending, each.gist) for each in covered if each.gist), key=lambda pair: -pair[0].seq)
        latest, gist = events[0]
        names = {each.actor.id: each.actor.name for _, each in reversed(events) if each.actor is not None}
        names = {user: names[user] for _, each in events if (user := _actor(each)) in names}
        text = self._templates.render(
            gist.topic,
            language,
            preferences.preview,
            len(events),
            list(names.values())[:NAMES_MAX],
            len(names),
            gist.values,
        )
        data = {
            **gist.ids,
            "kind": gist.topic,
            "delivery": delivery,
            "seq": str(latest.seq),
            "count": str(len(events)),
        }
        return _encoder.encode(
            Content(
                kind=gist.topic,
                category=gist.category,
                title=text.title,
                body=text.body,
                collapse_key=gist.collapse_key,
                badge=badge,
                language=text.language,
                data=data,
            )
        )


def _actor(gist: Gist) -> str:
    return gist.actor.id if gist.actor is not None else ""
